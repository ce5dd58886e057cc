"""TV-L1 by backends that compute the same flow as OpenCV (flow/definition.py).

Read backend.py (`tvl1`, and the choice of a backend), torch.py (the definition in plain torch),
cpu.py with tvl1.cpp and its headers, then triton.py with its kernels (triton_kernels.py).
"""
