/* Band-pass: a cascade of second-order sections, each with its zeros at +1 and -1.
 *
 *     H(z) = gain * product over s of (1 - z^-2) / (1 + a1[s] z^-1 + a2[s] z^-2)
 *
 * tier    kernel: C99, + - * /, no libm, no malloc
 * source  transposed direct form II (Oppenheim and Schafer, Discrete-Time Signal Processing,
 *         section 6.3). Every digital Butterworth band-pass has as many zeros at +1 as at -1;
 *         one of each in every section leaves two multiplications per section.
 *
 * a       sections x 2, a1 and a2
 * z       sections x 2 x channels, the state
 * x, y    one row of channels; they may not overlap
 */
static inline void NAME(bandpass_row)(const REAL *restrict a, int sections, REAL gain,
                                      REAL *restrict z, const REAL *restrict x,
                                      REAL *restrict y, int channels)
{
    for (int c = 0; c < channels; c++)
        y[c] = gain * x[c];
    for (int s = 0; s < sections; s++) {
        const REAL a1 = a[2 * s], a2 = a[2 * s + 1];
        REAL *restrict z0 = z + 2 * s * channels;
        REAL *restrict z1 = z0 + channels;
        for (int c = 0; c < channels; c++) {
            const REAL in = y[c];
            const REAL out = in + z0[c];
            const REAL next0 = z1[c] - a1 * out;
            const REAL next1 = -in - a2 * out;
            const int alive = NAME(alive)(next0) | NAME(alive)(next1);
            z0[c] = alive ? next0 : 0;
            z1[c] = alive ? next1 : 0;
            y[c] = out;
        }
    }
}
