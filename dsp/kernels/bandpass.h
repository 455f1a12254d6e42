/* Band-pass, rectification and one pole, all of a group's lanes at once.
 *
 *     H(z) = gain * product over s of (1 - z^-2) / (1 + a1[s] z^-1 + a2[s] z^-2)
 *     mean = decay * mean + |band|
 *
 * tier    kernel: C99, + - * /, no libm, no malloc
 * source  transposed direct form II (Oppenheim and Schafer, Discrete-Time Signal Processing,
 *         section 6.3). Every digital Butterworth band-pass has as many zeros at +1 as at -1;
 *         one of each in every section leaves two multiplications per section. The one
 *         pole's own gain, 1 - decay, is in `gain`; decay 0 leaves |band| as it is.
 *
 * a       sections x 2, a1 and a2
 * z       sections x 2 x WIDTH, the state
 * mean    WIDTH, the state of the one pole
 * tile    rows x WIDTH, samples in and envelope out
 *
 * `sections` and `rows` are constants where this is called: the compiler unrolls both loops.
 */
INLINE void NAME(cascade_rows)(const REAL *restrict a, const int sections, REAL gain,
                               REAL decay, REAL *restrict z, REAL *restrict mean,
                               REAL *restrict tile, const int rows, int lanes)
{
    for (int c = 0; c < lanes; c++) {
        REAL w[8], level = mean[c];
        for (int i = 0; i < 2 * sections; i++)
            w[i] = z[i * WIDTH + c];
        for (int r = 0; r < rows; r++) {
            REAL in = gain * tile[r * WIDTH + c];
            for (int i = 0; i < 2 * sections; i += 2) {
                const REAL out = in + w[i];
                w[i] = w[i + 1] - a[i] * out;
                w[i + 1] = -a[i + 1] * out - in;
                in = out;
            }
            level = decay * level + MAGNITUDE(in);
            tile[r * WIDTH + c] = level;
        }
        for (int i = 0; i < 2 * sections; i++)
            z[i * WIDTH + c] = w[i];
        mean[c] = level;
    }
}

INLINE void NAME(cascade)(const REAL *restrict a, const int sections, REAL gain, REAL decay,
                          REAL *restrict z, REAL *restrict mean, REAL *restrict tile,
                          int rows, int lanes)
{
    int r = 0;
    for (; r + 4 <= rows; r += 4) /* gcc 12 does not vectorise 8 */
        NAME(cascade_rows)(a, sections, gain, decay, z, mean, tile + r * WIDTH, 4, lanes);
    for (; r < rows; r++)
        NAME(cascade_rows)(a, sections, gain, decay, z, mean, tile + r * WIDTH, 1, lanes);
}

INLINE void NAME(bandpass_tile)(const REAL *restrict a, int sections, REAL gain, REAL decay,
                                REAL *restrict z, REAL *restrict mean, REAL *restrict tile,
                                int rows, int lanes)
{
    switch (sections) {
    case 1: NAME(cascade)(a, 1, gain, decay, z, mean, tile, rows, lanes); break;
    case 2: NAME(cascade)(a, 2, gain, decay, z, mean, tile, rows, lanes); break;
    case 3: NAME(cascade)(a, 3, gain, decay, z, mean, tile, rows, lanes); break;
    default: NAME(cascade)(a, 4, gain, decay, z, mean, tile, rows, lanes); break;
    }
}
