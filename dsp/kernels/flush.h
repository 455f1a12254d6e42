/* Flush: a section's state that has decayed below 1e-30 becomes zero.
 *
 * tier    kernel: C99, + - * /, no libm, no malloc
 * why     a recursive filter fed with zeros decays into denormal numbers and stays there; on
 *         many processors each such operation costs a hundred cycles. The flush is in the
 *         arithmetic, not in a processor mode, so that the bits are the same everywhere.
 *         1e-30 uV is far above the denormals of float32 (1e-38) and far below any signal.
 *
 * Both numbers of a second-order state must be small before both are flushed. To flush one
 * alone would push the other off its spiral to zero, and the filter would ring at 1e-30 for
 * ever.
 */
static inline int NAME(alive)(REAL state)
{
    /* Bitwise or: both comparisons are made, and the loop around them is vectorised. */
    return (state > (REAL)1e-30) | (state < (REAL)-1e-30);
}
