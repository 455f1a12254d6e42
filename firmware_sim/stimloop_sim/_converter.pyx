# cython: boundscheck=False, wraparound=False, cdivision=True, initializedcheck=False
# cython: freethreading_compatible=True
"""The analogue-to-digital converter: microvolts in, nanovolt integers out."""

cimport numpy as cnp
from libc.math cimport fabs, rint

cnp.import_array()

cdef enum:
    MISSING_NV = -2147483648


def quantise(cnp.ndarray sensed_uv not None, list columns not None, double range_nv):
    """Convert some channels of a block.

    Parameters
    ----------
    sensed_uv : ndarray of float64, shape (n, channels), C-contiguous
        µV; NaN is a sample that does not exist.
    columns : list of int
        Which channels.
    range_nv : float
        The converter clips beyond ± this, nV.

    Returns
    -------
    nv : ndarray of int32, shape (n, len(columns))
        nV; `stimloop_dsp.MISSING` where there is no sample.
    saturated : bool
        Whether a sample was clipped.

    Raises
    ------
    ValueError
        If the block is no C-contiguous matrix of float64.
    """
    if (sensed_uv.ndim != 2 or cnp.PyArray_TYPE(sensed_uv) != cnp.NPY_FLOAT64
            or not cnp.PyArray_IS_C_CONTIGUOUS(sensed_uv)):
        raise ValueError("the converter takes a C-contiguous matrix of float64")
    cdef cnp.npy_intp shape[2]
    shape[0] = sensed_uv.shape[0]
    shape[1] = len(columns)
    nv = cnp.PyArray_EMPTY(2, shape, cnp.NPY_INT32, 0)
    cdef const double* uv = <const double*>cnp.PyArray_DATA(sensed_uv)
    cdef int* out = <int*>cnp.PyArray_DATA(nv)
    cdef Py_ssize_t channels = sensed_uv.shape[1]
    cdef Py_ssize_t i, k
    cdef double value
    cdef bint saturated = False
    for k, column in enumerate(columns):
        if not 0 <= column < channels:
            raise ValueError(f"there is no channel {column} among {channels}")
        for i in range(shape[0]):
            value = rint(uv[i * channels + <Py_ssize_t>column] * 1000.0)
            if value != value:
                out[i * shape[1] + k] = MISSING_NV
            elif fabs(value) >= range_nv:
                saturated = True
                out[i * shape[1] + k] = <int>(range_nv if value > 0 else -range_nv)
            else:
                out[i * shape[1] + k] = <int>value
    return nv, saturated
