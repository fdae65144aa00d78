"""The services of the stack as tasks of the kernel: the loops of `runtime/services`, without I/O.

A yield stands wherever the runtime waits for something outside of the process.
"""
