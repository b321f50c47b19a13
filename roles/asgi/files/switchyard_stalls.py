# Made by switchyard.django. An event loop serves all visitors of a process, and one call that blocks makes all of them
# wait, without a trace in any log: so a thread sees whether the loop still turns, and the journal gets the line.
import asyncio
import collections
import linecache
import logging
import os
import sys
import sysconfig
import threading
import time

# A server with a master kills a worker that stands still: what does not end by itself is told before that.
ENDLESS = 10
# A line that blocks does so for each visitor, and must not push all else out of the journal.
REPORTS, PERIOD = 10, 60

_monitors = {}
# The child of a fork has none of its parent's threads.
os.register_at_fork(after_in_child=_monitors.clear)


def watch(threshold):
    """From now on, report what holds the running event loop up for this many seconds. To say it again costs nothing."""
    try:
        loop = asyncio.get_running_loop()
    except RuntimeError:  # another kind of loop, as trio's, is not known here
        return
    if loop not in _monitors:
        _monitors[loop] = monitor = _Monitor(loop, threshold)
        try:
            monitor.start()
        except RuntimeError as error:  # the site is served without it as well
            _warn("event loop is not watched: %s", error)


class _Monitor(threading.Thread):
    def __init__(self, loop, threshold):
        super().__init__(name="switchyard-stalls", daemon=True)
        self.loop = loop
        self.threshold = threshold
        self.step = min(max(threshold / 4, 0.005), 0.25)
        self.thread = threading.get_ident()
        self.clock = time.pthread_getcpuclockid(self.thread)
        self.woke = self.due = self.period = time.monotonic()
        self.computed = time.clock_gettime(self.clock)
        self.answered = None
        self.depth = self.reports = self.left_out = 0

    def run(self):
        self.project = _Project()
        try:
            while not self.loop.is_closed():
                self.beat()
        except (RuntimeError, OSError):  # it was closed in between, or its thread has ended
            pass
        del _monitors[self.loop]

    def answer(self):
        # How deep the stack is where the loop calls from: what a callback does is deeper.
        self.depth = len(_stack(sys._getframe().f_back))
        self.answered = time.monotonic()

    def beat(self):
        """Ask the loop for a sign of life, and look at what its thread does until that comes."""
        self.answered = None
        since = until = self.due
        seen, before = [], None
        # To ask lets go of the interpreter's lock, and the loop's thread goes on: so the first look comes before.
        callback, lines = self.look()
        self.loop.call_soon_threadsafe(self.answer)
        while not self.loop.is_closed():
            now = time.monotonic()
            # Many short callbacks in a row are load, and none of them is to blame. Nor is anybody where the loop waits
            # for its turn, or has been stopped by its server.
            if not callback or (before and callback is not before):
                self.judge(seen, until - since)
                since, seen = now, []
            if callback:
                seen.append((now - until, *self.project.place(lines)))
            before, until = callback, now
            if seen and now - since >= max(ENDLESS, self.threshold):
                self.report(f"event loop has stood still for {now - since:.0f} s, and still does,", seen)
                del callback, before  # a frame that is held keeps all that the call holds
                while not self.answered and not self.loop.is_closed():
                    self.sleep()
                return
            since += self.sleep()
            if self.answered:
                self.judge(seen, self.answered - since)
                return
            callback, lines = self.look()

    def judge(self, seen, seconds):
        if seen and seconds >= self.threshold:
            self.report(f"event loop stalled for {seconds:.2f} s", seen)

    def sleep(self):
        """Sleep for a step, and return for how long this process did not get to run.

        The time for which a process was stopped, or had no processor, is not the project's. It shows in this thread,
        which comes late. So it does while C code keeps the interpreter's lock, but then the loop's thread has computed
        meanwhile: the loop has stood still since this thread was due, and is there still. C code that keeps the lock
        and waits looks like a stopped process, and is not reported: rather that than a false report.
        """
        woke, computed = self.woke, self.computed
        time.sleep(self.step)
        self.woke, self.computed = time.monotonic(), time.clock_gettime(self.clock)
        late = self.woke - woke - self.step
        lost = max(0, late - (self.computed - computed))
        self.due = woke + self.step + lost
        # A little late is every thread on a busy machine, and would add up to where a real stall seems none.
        return lost if lost > self.step else 0

    def look(self):
        """The callback that the loop runs, as its outermost frame, and the lines where it is, the innermost first."""
        if not self.loop.is_running():
            return None, []
        frames = _stack(sys._current_frames().get(self.thread))[self.depth :]
        lines = [(frame.f_code.co_filename, frame.f_lineno or 0, frame.f_code.co_name) for frame in reversed(frames)]
        return (frames[0] if frames else None), lines

    def report(self, message, seen):
        now = time.monotonic()
        if now - self.period >= PERIOD:
            self.period, self.reports = now, 0
        self.reports += 1
        if self.reports > REPORTS:
            self.left_out += 1
            if self.left_out == 1:
                _warn("event loop stalled more than %d times in %d s: further reports are left out", REPORTS, PERIOD)
            return
        message += f" at {self.project.show(seen)}"
        if self.left_out:
            message += f" ({self.left_out} reports before this one were left out)"
            self.left_out = 0
        _warn("%s", message)


class _Project:
    """Tells the project's own code, which is where the server was started, from that of others."""

    def __init__(self):
        self.folder = os.path.join(os.getcwd(), "")
        paths = sysconfig.get_paths()
        others = (os.path.realpath(paths[name]) for name in ("stdlib", "purelib", "platlib", "scripts"))
        self.others = tuple(os.path.join(path, "") for path in others)
        self.names = {}

    def name(self, file):
        """The file's path in the project, or None."""
        if file not in self.names:
            path = os.path.realpath(file)
            # <frozen importlib._bootstrap> and its like are no files.
            own = path.startswith(self.folder) and not path.startswith(self.others) and not file.startswith("<")
            self.names[file] = path[len(self.folder) :] if own else None
        return self.names[file]

    def place(self, lines):
        """The innermost line that is the project's, and the innermost of all."""
        return next((line for line in lines if self.name(line[0])), lines[0]), lines[0]

    def show(self, seen):
        """The line that took longest: a single look may meet what comes before or after the call that blocks."""
        places, innermosts = collections.Counter(), collections.Counter()
        for seconds, place, innermost in seen:
            places[place] += seconds
            innermosts[place, innermost] += seconds
        place = max(places, key=places.get)
        innermost = max((pair for pair in innermosts if pair[0] == place), key=innermosts.get)[1]
        return self.line(*place) + (f", inside {self.line(*innermost)}" if innermost != place else "")

    def line(self, file, number, function):
        source = linecache.getline(file, number).strip()
        return f"{self.name(file) or file}:{number} in {function}" + (f": {source}" if source else "")


def _stack(frame):
    frames = []
    while frame:
        frames.append(frame)
        frame = frame.f_back
    return frames[::-1]


def _warn(message, *values):
    """Log to standard error, whatever the project's LOGGING is.

    LOGGING may at any time disable the loggers that it does not name, and often has no handler for those. A project
    that gives handlers to this very logger decides for itself.
    """
    logger = logging.getLogger("switchyard.stalls")
    logger.disabled = False
    if not logger.handlers:
        handler = logging.StreamHandler()
        handler.setFormatter(logging.Formatter("%(levelname)s %(name)s: %(message)s"))
        logger.addHandler(handler)
        logger.setLevel(logging.WARNING)
        logger.propagate = False
    logger.warning(message, *values)
