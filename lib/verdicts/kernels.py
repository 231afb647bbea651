"""Kernels: how they are started, what they have used, and several at a time."""

import ast
import asyncio
import atexit
import concurrent.futures
import os
import shutil
import subprocess
import tempfile
import threading
import uuid
from functools import cache
from pathlib import Path
from typing import NamedTuple

from verdicts import notebook

ATTEMPTS = 3  # to start a kernel; its cells are run once
# One thread and one hash seed, so that a kernel repeats its sums in the same order; and glibc keeps
# the memory of large temporaries instead of asking the system for new pages every time.
ENVIRONMENT = {
    "OMP_NUM_THREADS": "1",
    "OPENBLAS_NUM_THREADS": "1",
    "MKL_NUM_THREADS": "1",
    "PYTHONHASHSEED": "0",
    "MALLOC_TRIM_THRESHOLD_": str(2**29),
    "MALLOC_MMAP_THRESHOLD_": str(2**28),
}
_PATIENCE = 60  # seconds for an answer of an idle kernel
_SOCKET_PATH = 90  # what a path of a socket may be long, with a margin: 104 on macOS
_USAGE = {
    "seconds": "__import__('time').process_time()",
    "faults": "__import__('resource').getrusage(0).ru_minflt",
    "peak": "__import__('resource').getrusage(0).ru_maxrss"
    " * (1 if __import__('sys').platform == 'darwin' else 1024)",
}


class Usage(NamedTuple):
    """What a kernel has used since it was started; 0 where the system does not say."""

    seconds: float  # of CPU, user and system
    faults: int  # page faults served from memory
    peak: int  # bytes, the largest resident set


class CellFailed(RuntimeError):
    """A cell of a notebook raised an error, or took too long, or its kernel died."""

    def __init__(self, cell, count, error):
        self.cell = f"cell {count} ({cell['id']})"
        super().__init__(f"{self.cell}: {error}")


@cache
def _folder():
    """A folder for the sockets of this process's kernels, with a short path."""
    folder = tempfile.mkdtemp(prefix="verdicts-")
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return Path(folder)


def connection():
    """How to reach a new kernel, for its manager: by files of its own where the system has them.

    Kernels that start together can be given the same TCP port.
    """
    if os.name != "posix" or len(os.fsencode(_folder())) + 20 > _SOCKET_PATH:
        return {}
    return {"transport": "ipc", "connection_file": str(_folder() / f"{uuid.uuid4().hex[:8]}.json")}


async def _start(client, environment):
    """Start the client's kernel; a start that fails is tried again."""
    for attempt in range(1, ATTEMPTS + 1):
        client.create_kernel_manager()
        for name, value in connection().items():
            setattr(client.km, name, value)
        try:
            await client.async_start_new_kernel(
                env=environment,
                stderr=subprocess.DEVNULL,  # the kernel's own log
            )
            await client.async_start_new_kernel_client()
            return
        except BaseException as error:
            if client.kc is not None:
                client.kc.stop_channels()
            if client.km is not None:
                await client.km.shutdown_kernel(now=True)
            if attempt == ATTEMPTS or not isinstance(error, (RuntimeError, OSError)):
                raise


async def ask(client, expressions, code=""):
    """Values of Python expressions in the client's kernel, evaluated after ``code``, by name.

    Nothing is stored or counted there; an expression that fails has no value.
    """
    kernel = client.kc
    request = kernel.execute(code, silent=True, user_expressions=expressions)
    reply = await kernel.get_shell_msg(timeout=_PATIENCE)
    while reply["parent_header"].get("msg_id") != request:
        reply = await kernel.get_shell_msg(timeout=_PATIENCE)
    answers = reply["content"].get("user_expressions", {})
    return {
        name: ast.literal_eval(answer["data"]["text/plain"])
        for name, answer in answers.items()
        if answer["status"] == "ok"
    }


async def usage(client):
    """What the client's kernel has used up to now."""
    return Usage(**(dict.fromkeys(Usage._fields, 0) | await ask(client, _USAGE)))


async def execute(nb, folder, timeout, environment=None, watch=None):
    """(the notebook executed in a fresh kernel in ``folder``, its Usage).

    ``timeout`` is in seconds for one cell, None for no limit; ``environment`` is the kernel's whole
    environment (default: this process's with ENVIRONMENT).  ``watch``, a coroutine function, is
    called as watch(client, cell, Usage) after each code cell, and with None before the first.
    Raises CellFailed.
    """
    import nbformat
    from nbclient import NotebookClient

    new = nbformat.from_dict(nb)
    running = [None, 0]
    used = Usage(0.0, 0, 0)

    async def begins(cell, cell_index):
        if watch is not None and running[0] is None:
            await watch(client, None, used)
        running[:] = cell, running[1] + 1

    async def ends(cell, cell_index, execute_reply):
        nonlocal used
        used = await usage(client)
        if watch is not None:
            await watch(client, cell, used)

    client = NotebookClient(
        new,
        timeout=timeout,
        kernel_name="python3",
        record_timing=False,
        shutdown_kernel="immediate",  # nothing is lost: outputs have arrived
        resources={"metadata": {"path": str(folder)}},
        on_cell_execute=begins,
        on_cell_executed=ends,
    )
    await _start(client, environment or os.environ | ENVIRONMENT)
    try:
        await client.async_execute()
    except Exception as error:
        if running[0] is None:
            raise
        raise CellFailed(*running, error) from error
    return notebook.loads(nbformat.writes(new)), used


def cores():
    """How many processors this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def together(works, jobs):
    """Results of coroutine functions, in their order, begun in their order, ``jobs`` at a time.

    An exception is a result.  When the caller is interrupted all are cancelled, and it goes on when
    each has closed its kernel.
    """

    async def everything():
        room = asyncio.Semaphore(jobs)

        async def one(work):
            async with room:
                return await work()

        return await asyncio.gather(*map(one, works), return_exceptions=True)

    async def rest():
        tasks = asyncio.all_tasks() - {asyncio.current_task()}
        await asyncio.gather(*tasks, return_exceptions=True)

    # In a thread of its own: nbclient takes the signals of a loop in the main thread, and of
    # several clients the last one would be the only one to be stopped.
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, name="kernels", daemon=True)
    thread.start()
    future = asyncio.run_coroutine_threadsafe(everything(), loop)
    try:
        while not future.done():  # a wait without an end cannot be interrupted on Windows
            concurrent.futures.wait([future], timeout=0.5)
        return future.result()
    finally:
        future.cancel()
        asyncio.run_coroutine_threadsafe(rest(), loop).result()
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()
