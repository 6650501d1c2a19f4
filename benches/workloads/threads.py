#!/usr/bin/env python3
"""Prints a C++ program: many threads, each in one of 32 generated call chains with standard containers as locals. The first one
dies; with the name of a file as second argument none does, and a further thread writes the gaps in its own running there."""
import random

pick = random.Random(2026)
print(r'''#include <atomic>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <map>
#include <memory>
#include <string>
#include <thread>
#include <vector>
static std::atomic<int> arrived{0};
static int expected;
static const char *gaps;
template <class T> __attribute__((noinline)) void keep(const T &value) { asm volatile("" : : "r"(&value) : "memory"); }
struct Job { int number; std::string name; std::vector<double> samples; };
__attribute__((noinline)) void wait_or_die(Job *job) {
    int position = ++arrived;
    if (job->number != 0 || gaps) for (;;) std::this_thread::sleep_for(std::chrono::hours(1));
    while (arrived < expected) std::this_thread::sleep_for(std::chrono::milliseconds(1));
    std::this_thread::sleep_for(std::chrono::milliseconds(200));
    Job *missing = nullptr; asm volatile("" : "+r"(missing));
    missing->number = position;
}''')
BODIES = [
    'std::string title = name + "/%(k)d"; keep(title); long r = %(next)s(job, depth + 1, title); return r + title.size();',
    'std::vector<int> counts(depth %% 7 + 2, %(k)d); keep(counts); long r = %(next)s(job, depth + 1, name); return r + counts.back();',
    'std::map<std::string, int> table{{name, depth}, {"k", %(k)d}}; keep(table); long r = %(next)s(job, depth + 1, name); return r + table.size();',
    'auto owned = std::make_unique<Job>(Job{depth, name, {1.5, 2.5}}); keep(owned); long r = %(next)s(job, depth + 1, owned->name); return r + owned->number;',
    'int scratch[6]; for (int i = 0; i < 6; i++) scratch[i] = i * depth; keep(scratch); long r = %(next)s(job, depth + 1, name); return r + scratch[depth %% 6];',
    'return %(next)s(job, depth + 1, name) + job->samples.size();',
]
tops = []
for chain in range(32):
    length = pick.randint(15, 45)
    for level in reversed(range(length)):
        following = f"c{chain}_{level + 1}" if level + 1 < length else f"end{chain}"
        if level + 1 == length:
            print(f"__attribute__((noinline)) long end{chain}(Job *job, int depth, const std::string &name)"
                  f" {{ wait_or_die(job); return depth + name.size(); }}")
        body = pick.choice(BODIES) % {"k": level * 3 + chain, "next": following}
        print(f"__attribute__((noinline)) long c{chain}_{level}(Job *job, int depth, const std::string &name) {{ {body} }}")
    tops.append(f"c{chain}_0")
print("static long (*const chains[])(Job *, int, const std::string &) = {" + ", ".join(tops) + "};")
print(r'''static void work(int number) {
    Job job{number, "job-" + std::to_string(number), {0.5, double(number)}};
    keep(chains[number % 32](&job, 1, job.name));
}
static void beat() {
    FILE *file = fopen(gaps, "w");
    auto last = std::chrono::steady_clock::now();
    for (;;) {
        std::this_thread::sleep_for(std::chrono::microseconds(200));
        auto now = std::chrono::steady_clock::now();
        double gap = std::chrono::duration<double, std::milli>(now - last).count();
        if (gap > 2) { fprintf(file, "%.1f\n", gap); fflush(file); }
        last = now;
    }
}
int main(int argc, char **argv) {
    gaps = argc > 2 ? argv[2] : nullptr;
    expected = argc > 1 ? atoi(argv[1]) : 300;
    std::vector<std::thread> threads;
    for (int number = 0; number < expected; number++) threads.emplace_back(work, number);
    if (gaps) beat();
    for (auto &thread : threads) thread.join();
}''')
