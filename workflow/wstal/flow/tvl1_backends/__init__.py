"""TV-L1 by four backends that compute the same flow.

Read backend.py (`tvl1`, and the choice of a backend), opencv.py (the reference), torch.py (the
definition in plain torch), cpu.py with tvl1.cpp and its headers, then triton.py with its kernels
(triton_kernels.py, triton_median.py).
"""
