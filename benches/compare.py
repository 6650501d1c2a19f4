#!/usr/bin/env python3
"""Times obit beside gdb, lldb, eu-stack, delve and gcore on the same programs in one run.

    benches/compare.py [WORKLOAD...]        of small, threads, threads-clang, heap, goroutines, live; all of them at first
    benches/compare.py EXE CORE [TYPE]      a core that there is, and a type that is looked up by its name

    --runs N       runs of each command behind one that is not counted (3); the median is told, and the most memory
    --threads N    threads of `threads` and `live` (1000)
    --heap GIB     heap of `heap` (2)
    --source FILE  a C++ program for `threads` and `live`, which takes a number of threads, and the name of a file to live
    --quick        leaves out what takes a debugger minutes

What is not installed is skipped, and said so. Cores are made where core_pattern is `core`. The figures behind `goal` are
what obit means to reach: a ratio to another tool's time, or its own time.
"""

import argparse, os, resource, shutil, signal, statistics, subprocess, sys, tempfile, time

HERE = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
WORKLOADS = os.path.join(HERE, "benches", "workloads")
# A copy, as an installation makes one: what a linker wrote lies in the page cache in smaller pieces, which costs a start
# of three milliseconds half of one.
INSTALLED = tempfile.TemporaryDirectory()
OBIT = os.path.join(INSTALLED.name, "obit")
FLAGS = ["-std=c++17", "-g", "-pthread", "-o", "program"]
QUIET = {"stdin": subprocess.DEVNULL, "stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}


def tool(name):
    return next((found for found in (shutil.which(name), shutil.which(name + "-19")) if found), None)


def once(command, environment=None):
    """Wall seconds and peak MiB of one run."""
    start = time.monotonic()
    child = subprocess.Popen(command, env=environment, **QUIET)
    _, _, usage = os.wait4(child.pid, 0)
    return time.monotonic() - start, usage.ru_maxrss / 1024


def measure(commands, runs, environment=None):
    """Median seconds and the most MiB of each; they take turns, so that what else the machine does meets all of them."""
    found = {name: [] for name in commands}
    for run in range(runs + 1):
        for name, command in commands.items():
            figures = once(command, environment)
            if run:
                found[name].append(figures)
    return {
        name: (statistics.median(seconds for seconds, _ in figures), max(peak for _, peak in figures))
        for name, figures in found.items()
    }


def verdict(reached):
    return "reached" if reached else "NOT reached"


def compare(question, own, others, runs, seconds=None, memory=None, environment=None):
    """`own` is obit's command; `others` are (tool, command, goal: how many times its time must be obit's, slow)."""
    print(f" {question}")
    there = [(name, command, goal) for name, command, goal, slow in others if command[0] and not slow]
    figures = measure({"obit": own} | {name: command for name, command, goal in there if goal}, runs, environment)
    figures |= measure({name: command for name, command, goal in there if not goal}, runs)
    mine, peak = figures["obit"]
    notes = []
    if seconds:
        notes.append(f"goal {seconds} s: {verdict(mine <= seconds)}")
    if memory:
        notes.append(f"goal {memory} MiB: {verdict(peak <= memory)}")
    print(f"   {'obit':<10} {mine:9.4f} s {peak:8.1f} MiB   {'; '.join(notes)}".rstrip())
    for name, command, goal, slow in others:
        if not command[0]:
            print(f"   {name:<10} skipped: not installed")
        elif slow and options.quick:
            print(f"   {name:<10} skipped: slow")
        else:
            theirs, peak = once(command) if slow else figures[name]
            ratio = theirs / mine
            note = f"   goal {goal:.3g}: {verdict(ratio >= goal)}" if goal else ""
            print(f"   {name:<10} {theirs:9.4f} s {peak:8.1f} MiB {ratio:8.2f} x obit's time{note}")


def gdb(exe, core, ask):
    return [tool("gdb"), "-nx", "-batch", "-ex", ask, exe, core]


def lldb(exe, core, ask):
    return [tool("lldb"), "-b", "-o", ask, exe, "-c", core]


def eu_stack(exe, core):
    return [tool("eu-stack"), "-e", exe, f"--core={core}"]


def bt(exe, core, *more):
    return [OBIT, "bt", core, "--exe", exe, *more]


def size(question, path, most):
    found = os.path.getsize(path)
    print(f" {question}\n   {'obit':<10} {found:9} bytes   goal {most}: {verdict(found <= most)}")


def snapshot(core, scratch, runs, seconds, most, opened=None):
    path = os.path.join(scratch, "snapshot.obit")
    compare("to a snapshot", [OBIT, "snapshot", core, "-o", path], [], runs, seconds=seconds)
    size("its size", path, most)
    if opened:
        compare("opened, crashed thread", [OBIT, "bt", path, "--thread", "crashed"], [], runs * 5, seconds=opened)


def built(scratch, name, command):
    """A folder of its own with the program, or why there is none."""
    folder = os.path.join(scratch, name)
    os.makedirs(folder)
    if not tool(command[0]):
        return None, f"{command[0]} is not installed"
    made = subprocess.run([tool(command[0]), *command[1:]], cwd=folder)
    return (folder, None) if made.returncode == 0 else (None, "the program could not be built")


def crashed(folder, *arguments, **environment):
    """The program and the core that it leaves."""
    with open("/proc/sys/kernel/core_pattern") as pattern, open("/proc/sys/kernel/core_uses_pid") as pid:
        if pattern.read().strip() != "core" or pid.read().strip() != "0":
            return None, "core_pattern is not 'core': give EXE CORE"
    program = os.path.join(folder, "program")
    subprocess.run([program, *arguments], cwd=folder, env={**os.environ, **environment}, **QUIET)
    core = os.path.join(folder, "core")
    return (program, core) if os.path.exists(core) else (None, "the program left no core")


def small(scratch, runs):
    folder, missing = built(scratch, "small", ["gcc", "-O0", "-g", "-o", "program", os.path.join(WORKLOADS, "small.c")])
    exe, core = crashed(folder) if folder else (None, missing)
    if not exe:
        return core
    others = [
        ("eu-stack", eu_stack(exe, core), 1 / 1.5, False),
        ("gdb", gdb(exe, core, "bt"), None, False),
        ("lldb", lldb(exe, core, "bt"), None, False),
    ]
    compare("backtrace", bt(exe, core), others, runs * 10)


def threads_source(scratch):
    if options.source:
        return os.path.abspath(options.source)
    path = os.path.join(scratch, "threads.cpp")
    with open(path, "w") as source:
        subprocess.run([sys.executable, os.path.join(WORKLOADS, "threads.py")], stdout=source, check=True)
    return path


def threads(scratch, runs, compiler="g++", faster=200):
    folder, missing = built(scratch, compiler, [compiler, *FLAGS, "-O2", threads_source(scratch)])
    exe, core = crashed(folder, str(options.threads)) if folder else (None, missing)
    if not exe:
        return core
    # The goals are of a program whose frames have more in them.
    faster = faster if options.source else None
    others = [("gdb", gdb(exe, core, "bt"), None, False), ("lldb", lldb(exe, core, "bt"), None, False)]
    compare("crashed thread", bt(exe, core, "--thread", "crashed"), others, runs)
    others = [("gdb", gdb(exe, core, "thread apply all bt full"), faster, True)]
    compare("all threads, all locals", bt(exe, core, "--thread", "all", "--locals"), others, runs, memory=200)
    for command, goal in (("analyze", 0.7), ("stacks", 0.3), ("locks", 0.5)):
        compare(command, [OBIT, command, core, "--exe", exe], [], runs, seconds=goal)
    snapshot(core, folder, runs, 2, 2 << 20, opened=0.015)


def threads_clang(scratch, runs):
    return threads(scratch, runs, "clang++", 60)


def heap(scratch, runs):
    source = os.path.join(WORKLOADS, "heap.cpp")
    folder, missing = built(scratch, "heap", ["g++", *FLAGS, "-O1", source])
    exe, core = crashed(folder, str(options.heap)) if folder else (None, missing)
    if not exe:
        return core
    others = [("eu-stack", eu_stack(exe, core), 1 / 2, False), ("gdb", gdb(exe, core, "bt"), None, False)]
    compare("backtrace", bt(exe, core), others, runs * 10)
    snapshot(core, folder, runs, 0.5, 1 << 20)
    compare("a map of millions", [OBIT, core, "-batch", "-ex", "print stores"], [], runs)


def goroutines(scratch, runs):
    source = os.path.join(WORKLOADS, "goroutines.go")
    folder, missing = built(scratch, "goroutines", ["go", "build", "-o", "program", source])
    exe, core = crashed(folder, GOTRACEBACK="crash") if folder else (None, missing)
    if not exe:
        return core
    script = os.path.join(scratch, "delve")
    with open(script, "w") as file:
        file.write("goroutines -t\nexit\n")
    others = [("delve", [tool("dlv"), "core", exe, core, "--allow-non-terminal-interactive=true", f"--init={script}"], None, False)]
    compare("10,000 goroutines' backtraces", [OBIT, "goroutines", core, "--exe", exe], others, runs, seconds=0.1)
    compare("with arguments and locals", [OBIT, "goroutines", core, "--exe", exe, "--locals"], [], runs, seconds=0.3)


def live(scratch, runs):
    folder, missing = built(scratch, "live", ["g++", *FLAGS, "-O2", threads_source(scratch)])
    if not folder:
        return missing
    gaps = os.path.join(folder, "gaps")
    program = subprocess.Popen([os.path.join(folder, "program"), str(options.threads), gaps], cwd=folder, **QUIET)
    try:
        time.sleep(2)
        print(f" longest time that {options.threads} threads stood still")
        tools = [
            ("obit", [OBIT, "snapshot", f"pid:{program.pid}", "-o", os.path.join(folder, "s.obit")], runs, 25),
            ("eu-stack", [tool("eu-stack"), "-p", str(program.pid)], 1, None),
            ("gcore", [tool("gcore"), "-o", os.path.join(folder, "g"), str(program.pid)], 1, None),
            ("gdb", [tool("gdb"), "-nx", "-batch", "-ex", "thread apply all bt", "-p", str(program.pid)], 1, None),
        ]
        for name, command, times, goal in tools:
            if not command[0] or times == 1 and options.quick:
                print(f"   {name:<10} skipped")
                continue
            with open(gaps) as file:
                file.seek(0, os.SEEK_END)
                for _ in range(times):
                    once(command)
                    time.sleep(0.2)
                longest = max([float(line) for line in file.read().split()], default=0)
            note = f"   goal {goal} ms: {verdict(longest <= goal)}" if goal else ""
            print(f"   {name:<10} {longest:9.1f} ms{note}")
    finally:
        program.send_signal(signal.SIGKILL)
        program.wait()


def given(exe, core, type_name, runs):
    others = [
        ("lldb", lldb(exe, core, "bt"), 50, False),
        ("gdb", gdb(exe, core, "bt"), None, False),
        ("eu-stack", eu_stack(exe, core), None, False),
    ]
    compare("crashed thread", bt(exe, core, "--thread", "crashed"), others, runs, memory=150)
    if type_name:
        others = [
            ("lldb", lldb(exe, core, f"type lookup {type_name}"), 10, False),
            ("gdb", gdb(exe, core, f"ptype {type_name}"), None, False),
        ]
        own = [OBIT, "ptype", core, type_name, "--exe", exe]
        compare(f"type {type_name}, from cold", own, others, runs, environment={**os.environ, "OBIT_CACHE_DIR": ""})


ALL = {
    "small": small,
    "threads": threads,
    "threads-clang": threads_clang,
    "heap": heap,
    "goroutines": goroutines,
    "live": live,
}

parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
parser.add_argument("what", nargs="*", metavar="WORKLOAD | EXE CORE [TYPE]")
parser.add_argument("--runs", type=int, default=3)
parser.add_argument("--threads", type=int, default=1000)
parser.add_argument("--heap", type=int, default=2)
parser.add_argument("--source")
parser.add_argument("--quick", action="store_true")
options = parser.parse_args()
os.environ["DEBUGINFOD_URLS"] = ""
subprocess.run(["cargo", "build", "--release", "--quiet"], cwd=HERE, check=True)
shutil.copy(os.path.join(HERE, os.environ.get("CARGO_TARGET_DIR", "target"), "release", "obit"), OBIT)
resource.setrlimit(resource.RLIMIT_CORE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
if options.what and options.what[0] not in ALL:
    if len(options.what) not in (2, 3):
        parser.error("give workloads, or EXE CORE [TYPE]")
    given(options.what[0], options.what[1], (options.what[2:] or [None])[0], options.runs)
else:
    for name in options.what or ALL:
        print(name)
        with tempfile.TemporaryDirectory() as scratch:
            missing = ALL[name](scratch, options.runs)
        if missing:
            print(f"   skipped: {missing}")
