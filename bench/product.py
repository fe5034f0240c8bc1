"""Nanoseconds of a float32 matrix product in NumPy's BLAS, one thread: product.py SECONDS M N K"""
import os
import sys

for name in ("OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "OMP_NUM_THREADS"):
    os.environ[name] = "1"
os.environ.pop("OPENBLAS_CORETYPE", None)  # the library is to choose its kernels by the processor it finds
import numpy

import turns

m, n, k = map(int, sys.argv[2:])
random = numpy.random.default_rng(1)
a, b = (random.standard_normal(shape, dtype=numpy.float32) for shape in ((m, k), (n, k)))
out = numpy.empty((m, n), numpy.float32)
numpy.matmul(a, b.T, out=out)
turns.serve(lambda: numpy.matmul(a, b.T, out=out), float(sys.argv[1]))
