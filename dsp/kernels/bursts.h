/* Bursts: runs of an envelope above a threshold that last at least a minimum.
 *
 * tier    kernel: C99, comparisons and counts, no libm, no malloc
 * source  Tinkhauser et al. 2017, doi 10.1093/brain/awx010
 */
typedef struct {
    int64_t minimum;  /* samples */
    int64_t index;    /* of the next sample */
    int64_t onset;    /* of the present run, or of the last one */
    int64_t duration; /* samples, likewise */
    double peak;      /* likewise */
    int above;
} burst_run;

/* Takes one sample; true when it ends a run that was long enough to be a burst. */
static inline int burst_push(burst_run *run, double level, double threshold)
{
    const int was_above = run->above;
    run->above = level > threshold;
    if (run->above) {
        if (!was_above) {
            run->onset = run->index;
            run->duration = 0;
            run->peak = level;
        }
        run->duration++;
        run->peak = level > run->peak ? level : run->peak;
    }
    run->index++;
    return was_above && !run->above && run->duration >= run->minimum;
}
