"""The golden model against real tensor cores; CuPy is imported only once a GPU is asked for."""
