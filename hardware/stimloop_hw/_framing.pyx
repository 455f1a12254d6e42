# cython: boundscheck=False, wraparound=False, cdivision=True, initializedcheck=False
# cython: freethreading_compatible=True
"""COBS, CRC-32 and the frame header; the bytes of every message pass here."""

cimport cython
from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_FromStringAndSize
from libc.string cimport memcpy

cdef enum:
    HEADER = 12
    TRAILER = 4
    LONGEST = 254           # decoded; COBS then adds exactly one byte
    VERSION = 1
    STOP = 0x10             # and its acknowledgement, and all numbers up to OPEN_LAST, are
    STOPPED = 0x90          # readable with any table
    OPEN_LAST = 0x0F
    PANIC = 0x18

MAX_PAYLOAD = LONGEST - HEADER - TRAILER
SMALLEST_ON_WIRE = HEADER + TRAILER + 3

cdef unsigned int crc_table[256]


cdef void build_crc_table() noexcept:
    cdef unsigned int n, _bit, c
    for n in range(256):
        c = n
        for _bit in range(8):
            c = (0xEDB88320 ^ (c >> 1)) if c & 1 else c >> 1
        crc_table[n] = c


build_crc_table()


cdef unsigned int crc32(const unsigned char* data, int n, unsigned int seed) noexcept nogil:
    cdef unsigned int c = seed ^ <unsigned int>0xFFFFFFFF
    cdef int i
    for i in range(n):
        c = crc_table[(c ^ data[i]) & 0xFF] ^ (c >> 8)
    return c ^ <unsigned int>0xFFFFFFFF


cdef inline unsigned int seed_of(unsigned char number, unsigned int table_crc) noexcept nogil:
    return 0 if number <= OPEN_LAST or number in (STOP, STOPPED) else table_crc


cdef inline unsigned int u32(const unsigned char* p) noexcept nogil:
    return (p[0] | (<unsigned int>p[1] << 8) | (<unsigned int>p[2] << 16)
            | (<unsigned int>p[3] << 24))


cdef inline void put_u32(unsigned char* p, unsigned int value) noexcept nogil:
    p[0] = value & 0xFF
    p[1] = (value >> 8) & 0xFF
    p[2] = (value >> 16) & 0xFF
    p[3] = value >> 24


def wire_size(int payload):
    """Bytes on the wire of a frame with `payload` bytes, both delimiters included."""
    return SMALLEST_ON_WIRE + payload


def encode(unsigned char number, unsigned char flags, unsigned short seq, unsigned int session,
           unsigned int time, bytes payload not None, unsigned int table_crc):
    """Frame, check and stuff one payload: bytes for the wire.

    Parameters
    ----------
    number : int
        Message number.
    flags : int
        `stimloop_hw.framing.Flag`.
    seq, session, time : int
        As in the frame's header; unsigned 16, 32 and 32 bits.
    payload : bytes
        At most `MAX_PAYLOAD` bytes.
    table_crc : int
        CRC-32 of the message table.

    Returns
    -------
    bytes

    Raises
    ------
    ValueError
        If the payload is too long.
    OverflowError
        If a number does not fit its field.
    """
    cdef int n = len(payload)
    cdef int length = HEADER + n
    cdef unsigned char raw[256]
    cdef unsigned char* out
    cdef int i, code_at, o
    if n > LONGEST - HEADER - TRAILER:
        raise ValueError(f"a payload of {n} bytes does not fit a frame; at most "
                         f"{LONGEST - HEADER - TRAILER} do: split it")
    raw[0] = (VERSION << 4) | (flags & 0x0F)
    raw[1] = number
    raw[2] = seq & 0xFF
    raw[3] = seq >> 8
    put_u32(raw + 4, session)
    put_u32(raw + 8, time)
    memcpy(raw + HEADER, PyBytes_AS_STRING(payload), n)
    put_u32(raw + length, crc32(raw, length, seed_of(number, table_crc)))
    length += TRAILER
    wire = PyBytes_FromStringAndSize(NULL, length + 3)
    out = <unsigned char*>PyBytes_AS_STRING(wire)
    out[0] = 0
    code_at = 1
    o = 2
    for i in range(length):
        if raw[i]:
            out[o] = raw[i]
        else:
            out[code_at] = o - code_at
            code_at = o
        o += 1
    out[code_at] = o - code_at
    out[o] = 0
    return wire


@cython.final
cdef class Frame:
    """One intact frame.

    Attributes
    ----------
    number, flags, seq, session, time : int
        The header's fields.
    payload : bytes
    """

    cdef readonly unsigned char number
    cdef readonly unsigned char flags
    cdef readonly unsigned short seq
    cdef readonly unsigned int session
    cdef readonly unsigned int time
    cdef readonly bytes payload

    def __repr__(self):
        return (f"Frame({self.number:02X}, flags={self.flags}, seq={self.seq}, "
                f"session={self.session:08X}, time={self.time}, payload={self.payload.hex()})")


@cython.final
cdef class Deframer:
    """Bytes in any chunks → intact frames; noise is dropped and counted, never raised.

    Parameters
    ----------
    table_crc : int
        CRC-32 of the message table that both ends must share.

    Attributes
    ----------
    received : int
        Intact frames.
    damaged : int
        Frames that failed COBS, length, version or CRC.
    panics : int
        Panic sequences seen (`stimloop_hw.framing.PANIC`).
    pending : int
        Bytes of a frame begun but not ended.
    """

    cdef unsigned char buffer[256]
    cdef int filled
    cdef bint overflow
    cdef unsigned int table_crc
    cdef readonly long long received
    cdef readonly long long damaged
    cdef readonly long long panics

    def __init__(self, unsigned int table_crc):
        self.table_crc = table_crc
        self.filled = 0
        self.overflow = False
        self.received = 0
        self.damaged = 0
        self.panics = 0

    @property
    def pending(self):
        return self.filled

    def feed(self, bytes data not None):
        """Take bytes, give the frames that they complete.

        Parameters
        ----------
        data : bytes

        Returns
        -------
        list of Frame
        """
        cdef list frames = []
        cdef const unsigned char* p = <const unsigned char*>PyBytes_AS_STRING(data)
        cdef Py_ssize_t i
        cdef unsigned char byte
        for i in range(len(data)):
            byte = p[i]
            if byte:
                if self.filled <= LONGEST:
                    self.buffer[self.filled] = byte
                    self.filled += 1
                else:
                    self.overflow = True
            elif self.filled:
                self._end(frames)
        return frames

    cdef int _end(self, list frames) except -1:
        cdef unsigned char raw[256]
        cdef int size = self.unstuff(raw)
        cdef Frame frame
        self.filled = 0
        self.overflow = False
        if size == 1 and raw[0] == PANIC:
            self.panics += 1
            return 0
        if (size < HEADER + TRAILER or raw[0] >> 4 != VERSION
                or crc32(raw, size - TRAILER, seed_of(raw[1], self.table_crc))
                != u32(raw + size - TRAILER)):
            self.damaged += 1
            return 0
        frame = Frame.__new__(Frame)
        frame.flags = raw[0] & 0x0F
        frame.number = raw[1]
        frame.seq = raw[2] | (<unsigned short>raw[3] << 8)
        frame.session = u32(raw + 4)
        frame.time = u32(raw + 8)
        frame.payload = PyBytes_FromStringAndSize(<char*>raw + HEADER, size - HEADER - TRAILER)
        self.received += 1
        frames.append(frame)
        return 0

    cdef int unstuff(self, unsigned char* raw) noexcept nogil:
        """COBS-decode the buffer; -1 if it is no COBS."""
        cdef int i = 0, o = 0, code, _byte
        if self.overflow:
            return -1
        while i < self.filled:
            code = self.buffer[i]
            i += 1
            if i + code - 1 > self.filled:
                return -1
            for _byte in range(code - 1):
                raw[o] = self.buffer[i]
                o += 1
                i += 1
            if code < 0xFF and i < self.filled:
                raw[o] = 0
                o += 1
        return o
