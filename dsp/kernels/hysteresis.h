/* Hysteresis: from a level to a decision that does not chatter.
 *
 * tier    kernel: C99, comparisons and counts, no libm, no malloc
 * source  onset, termination and blanking as in adaptive implants: Stanslaski et al. 2018,
 *         doi 10.1109/TBCAS.2018.2880148; the comparison as in Fleming et al. 2020,
 *         doi 10.3389/fnins.2020.00166 (active above, inactive at or below)
 *
 * All counts are samples. While blanked, the decision stands and no run is counted.
 */
typedef struct {
    REAL on;              /* becomes active above this */
    REAL off;             /* becomes inactive at or below this */
    int64_t onset;        /* consecutive samples above `on` that make it active, >= 1 */
    int64_t termination;  /* consecutive samples at or below `off` that end it, >= 1 */
    int64_t blanking;     /* samples after a change during which nothing changes */
    int64_t run;          /* consecutive samples against the present decision */
    int64_t blanked;      /* samples of blanking left */
    int64_t lasted;       /* samples since it became active, this one included */
    int active;
} NAME(hysteresis);

static inline void NAME(hysteresis_push)(NAME(hysteresis) *h, REAL level)
{
    if (h->blanked > 0) {
        h->blanked--;
    } else {
        const int above = level > (h->active ? h->off : h->on);
        h->run = above != h->active ? h->run + 1 : 0;
        if (h->run >= (h->active ? h->termination : h->onset)) {
            h->active = above;
            h->run = 0;
            h->lasted = 0;
            h->blanked = h->blanking;
        }
    }
    h->lasted += h->active;
}
