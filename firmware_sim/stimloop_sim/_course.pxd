cdef long long NEVER

cdef struct Course:
    long long target_ua         # the setpoint in force
    long long level_pa          # present amplitude in pA: uA/s times us is pA
    long long clock_us          # when level_pa was right
    long long edge_us           # when the cycle changes next
    bint resting                # in a pause, or on the way into it
    long long slew_up_ua_s, slew_down_ua_s
    long long soft_up_ua_s, soft_down_ua_s
    long long soft_us, on_us, cycle_us
    long long up_ua_s, down_ua_s        # in force
    long long origin_us         # start of the first cycle
    bint silent                 # a magnet is there, or the nerve has to rest: the goal is zero
    bint ending                 # on the last way to zero
    int extra                   # a magnet's train: 0 none, 1 on, 2 on its way out
    long long extra_us          # when it began
    long long extra_ua, extra_on_us
    long long extra_up_ua_s, extra_down_ua_s, soft_stop_us
    bint pending                # a setpoint for a later time
    long long pending_at_us, pending_ua, pending_period_us

cdef void shape(Course* course, program)
cdef void quieten(Course* course, long long now_us) noexcept nogil
cdef void begin(Course* course, long long now_us) noexcept nogil
cdef void glide(Course* course, long long t_us) noexcept nogil
cdef long long due_us(Course* course) noexcept nogil
cdef bint act(Course* course, long long now_us) noexcept nogil
cdef void leave(
    Course* course, long long target_ua, long long rate_ua_s, bint last
) noexcept nogil
cdef void take_up(Course* course, long long target_ua) noexcept nogil
cdef void interrupt(Course* course) noexcept nogil
cdef void release(Course* course, bint train) noexcept nogil
