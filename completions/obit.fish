# Print an optspec for argparse to handle cmd's options that are independent of any subcommand.
function __fish_obit_global_optspecs
    string join \n h/help V/version
end

function __fish_obit_needs_command
    # Figure out if the current invocation already has a command.
    set -l cmd (commandline -opc)
    set -e cmd[1]
    argparse -s (__fish_obit_global_optspecs) -- $cmd 2>/dev/null
    or return
    if set -q argv[1]
        # Also print the command, so this can be used to figure out what it is.
        echo $argv[1]
        return 1
    end
    return 0
end

function __fish_obit_using_subcommand
    set -l cmd (__fish_obit_needs_command)
    test -z "$cmd"
    and return 1
    contains -- $cmd[1] $argv
end

complete -c obit -n "__fish_obit_needs_command" -s h -l help -d 'Print help'
complete -c obit -n "__fish_obit_needs_command" -s V -l version -d 'Print version'
complete -c obit -n "__fish_obit_needs_command" -f -a "bt" -d 'Show backtraces: the crashed thread in full, the other threads grouped by identical stack'
complete -c obit -n "__fish_obit_needs_command" -f -a "analyze" -d 'Say why it died: the verdict, what it rests on, and what to ask next'
complete -c obit -n "__fish_obit_needs_command" -f -a "coverage" -d 'Say what is missing, and which questions that leaves open'
complete -c obit -n "__fish_obit_needs_command" -f -a "fingerprint" -d 'Say which group the crash belongs to: a fingerprint that no rebuild changes, and what it is made of'
complete -c obit -n "__fish_obit_needs_command" -f -a "why" -d 'Say where a value comes from: core, file, register, caller'
complete -c obit -n "__fish_obit_needs_command" -f -a "threads" -d 'List the threads'
complete -c obit -n "__fish_obit_needs_command" -f -a "stacks" -d 'Show what threads do: stacks of the same functions together, and what they wait for'
complete -c obit -n "__fish_obit_needs_command" -f -a "goroutines" -d 'Show Go\'s goroutines: those that do the same at the same place together'
complete -c obit -n "__fish_obit_needs_command" -f -a "heap" -d 'Show what a Go program\'s heap holds: objects and bytes by type'
complete -c obit -n "__fish_obit_needs_command" -f -a "refs" -d 'Show what keeps an object of a Go program\'s heap alive, and who points to it'
complete -c obit -n "__fish_obit_needs_command" -f -a "locks" -d 'Show who waits for whom: locks by name, their owners, deadlocks'
complete -c obit -n "__fish_obit_needs_command" -f -a "info" -d 'Show the process: its signal, command line, environment and what is missing'
complete -c obit -n "__fish_obit_needs_command" -f -a "modules" -d 'List the modules, and which of their files were found'
complete -c obit -n "__fish_obit_needs_command" -f -a "maps" -d 'List the memory mappings'
complete -c obit -n "__fish_obit_needs_command" -f -a "registers" -d 'Show a frame\'s registers'
complete -c obit -n "__fish_obit_needs_command" -f -a "print" -d 'Evaluate an expression in a frame'
complete -c obit -n "__fish_obit_needs_command" -f -a "ptype" -d 'Show a type\'s definition, or that of an expression\'s type'
complete -c obit -n "__fish_obit_needs_command" -f -a "x" -d 'Examine memory'
complete -c obit -n "__fish_obit_needs_command" -f -a "list" -d 'Show source lines'
complete -c obit -n "__fish_obit_needs_command" -f -a "disassemble" -d 'Show a function\'s instructions'
complete -c obit -n "__fish_obit_needs_command" -f -a "snapshot" -d 'Write a snapshot: a small file that answers without the core and the binaries'
complete -c obit -n "__fish_obit_needs_command" -f -a "export" -d 'Write a snapshot in a format that other tools open'
complete -c obit -n "__fish_obit_needs_command" -f -a "capture" -d 'The kernel\'s crash handler: a snapshot of every process that dies'
complete -c obit -n "__fish_obit_needs_command" -f -a "watch" -d 'Run a program; take snapshots of it, and of what it starts, where they die or hang'
complete -c obit -n "__fish_obit_needs_command" -f -a "store" -d 'Crashes of a fleet: add, index, query, groups, get (hands over to obit-store)'
complete -c obit -n "__fish_obit_needs_command" -f -a "notify" -d 'Tell people of a fleet\'s crashes by rules: Slack, Jira, mail, webhooks (hands over to obit-store)'
complete -c obit -n "__fish_obit_needs_command" -f -a "schema" -d 'Print the JSON Schema of the documents that --json prints'
complete -c obit -n "__fish_obit_using_subcommand bt" -l exe -d 'The main executable, where the core\'s own record of it does not lead to the file' -r -F
complete -c obit -n "__fish_obit_using_subcommand bt" -l sysroot -d 'Look for every module under DIR first' -r -f -a "(__fish_complete_directories)"
complete -c obit -n "__fish_obit_using_subcommand bt" -l debug-dir -d 'Look for separate debug files here too (may repeat) [default: /usr/lib/debug]' -r -f -a "(__fish_complete_directories)"
complete -c obit -n "__fish_obit_using_subcommand bt" -l color -d 'When to use colours' -r -f -a "auto\t'On a terminal, unless NO_COLOR is set'
always\t'Always'
never\t'Never'"
complete -c obit -n "__fish_obit_using_subcommand bt" -l thread -d 'Which threads: all, crashed, or one by its LWP [default: the crashed one in full, the others grouped]' -r
complete -c obit -n "__fish_obit_using_subcommand bt" -l frames -d 'Show at most N frames a thread; the outermost are kept' -r
complete -c obit -n "__fish_obit_using_subcommand bt" -l depth -d 'Show at most N levels of nested aggregates and followed pointers [default: 4]' -r
complete -c obit -n "__fish_obit_using_subcommand bt" -l max-items -d 'Show at most N elements of an array [default: 64]' -r
complete -c obit -n "__fish_obit_using_subcommand bt" -l max-string -d 'Show at most N bytes of a string [default: 1024]' -r
complete -c obit -n "__fish_obit_using_subcommand bt" -l debuginfod -d 'Ask the servers in DEBUGINFOD_URLS for missing files [default: where that variable is set]'
complete -c obit -n "__fish_obit_using_subcommand bt" -l no-debuginfod -d 'Do not ask any server'
complete -c obit -n "__fish_obit_using_subcommand bt" -l allow-mismatch -d 'Use a file whose build-id differs from the core\'s [default: refuse it, and say so]'
complete -c obit -n "__fish_obit_using_subcommand bt" -l json -d 'Print one JSON document (its schema: obit schema)'
complete -c obit -n "__fish_obit_using_subcommand bt" -l locals -d 'Show every frame\'s local variables'
complete -c obit -n "__fish_obit_using_subcommand bt" -l group -d 'Show threads with identical stacks once [default in text, except with --thread all --locals]'
complete -c obit -n "__fish_obit_using_subcommand bt" -l no-group -d 'Show every thread by itself'
complete -c obit -n "__fish_obit_using_subcommand bt" -l raw -d 'Show plain fields as the debug information has them, without any language formatter'
complete -c obit -n "__fish_obit_using_subcommand bt" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c obit -n "__fish_obit_using_subcommand analyze" -l exe -d 'The main executable, where the core\'s own record of it does not lead to the file' -r -F
complete -c obit -n "__fish_obit_using_subcommand analyze" -l sysroot -d 'Look for every module under DIR first' -r -f -a "(__fish_complete_directories)"
complete -c obit -n "__fish_obit_using_subcommand analyze" -l debug-dir -d 'Look for separate debug files here too (may repeat) [default: /usr/lib/debug]' -r -f -a "(__fish_complete_directories)"
complete -c obit -n "__fish_obit_using_subcommand analyze" -l color -d 'When to use colours' -r -f -a "auto\t'On a terminal, unless NO_COLOR is set'
always\t'Always'
never\t'Never'"
complete -c obit -n "__fish_obit_using_subcommand analyze" -l blame -d 'Rules that say which frames are the program\'s own, before the usual ones' -r -F
complete -c obit -n "__fish_obit_using_subcommand analyze" -l known -d 'Known issues: patterns over findings with a note and a link' -r -F
complete -c obit -n "__fish_obit_using_subcommand analyze" -l expect -d 'Check what the file expects of the verdict; exit with 1 where it is not so' -r -F
complete -c obit -n "__fish_obit_using_subcommand analyze" -l debuginfod -d 'Ask the servers in DEBUGINFOD_URLS for missing files [default: where that variable is set]'
complete -c obit -n "__fish_obit_using_subcommand analyze" -l no-debuginfod -d 'Do not ask any server'
complete -c obit -n "__fish_obit_using_subcommand analyze" -l allow-mismatch -d 'Use a file whose build-id differs from the core\'s [default: refuse it, and say so]'
complete -c obit -n "__fish_obit_using_subcommand analyze" -l json -d 'Print one JSON document (its schema: obit schema)'
complete -c obit -n "__fish_obit_using_subcommand analyze" -l sarif -d 'Write SARIF, for code hosts'
complete -c obit -n "__fish_obit_using_subcommand analyze" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c obit -n "__fish_obit_using_subcommand coverage" -l exe -d 'The main executable, where the core\'s own record of it does not lead to the file' -r -F
complete -c obit -n "__fish_obit_using_subcommand coverage" -l sysroot -d 'Look for every module under DIR first' -r -f -a "(__fish_complete_directories)"
complete -c obit -n "__fish_obit_using_subcommand coverage" -l debug-dir -d 'Look for separate debug files here too (may repeat) [default: /usr/lib/debug]' -r -f -a "(__fish_complete_directories)"
complete -c obit -n "__fish_obit_using_subcommand coverage" -l color -d 'When to use colours' -r -f -a "auto\t'On a terminal, unless NO_COLOR is set'
always\t'Always'
never\t'Never'"
complete -c obit -n "__fish_obit_using_subcommand coverage" -l debuginfod -d 'Ask the servers in DEBUGINFOD_URLS for missing files [default: where that variable is set]'
complete -c obit -n "__fish_obit_using_subcommand coverage" -l no-debuginfod -d 'Do not ask any server'
complete -c obit -n "__fish_obit_using_subcommand coverage" -l allow-mismatch -d 'Use a file whose build-id differs from the core\'s [default: refuse it, and say so]'
complete -c obit -n "__fish_obit_using_subcommand coverage" -l json -d 'Print one JSON document (its schema: obit schema)'
complete -c obit -n "__fish_obit_using_subcommand coverage" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c obit -n "__fish_obit_using_subcommand fingerprint" -l exe -d 'The main executable, where the core\'s own record of it does not lead to the file' -r -F
complete -c obit -n "__fish_obit_using_subcommand fingerprint" -l sysroot -d 'Look for every module under DIR first' -r -f -a "(__fish_complete_directories)"
complete -c obit -n "__fish_obit_using_subcommand fingerprint" -l debug-dir -d 'Look for separate debug files here too (may repeat) [default: /usr/lib/debug]' -r -f -a "(__fish_complete_directories)"
complete -c obit -n "__fish_obit_using_subcommand fingerprint" -l color -d 'When to use colours' -r -f -a "auto\t'On a terminal, unless NO_COLOR is set'
always\t'Always'
never\t'Never'"
complete -c obit -n "__fish_obit_using_subcommand fingerprint" -l rules -d 'Go by the rules in FILE, before the usual ones [default: obit/fingerprint.toml in ~/.config or /etc]' -r -F
complete -c obit -n "__fish_obit_using_subcommand fingerprint" -l debuginfod -d 'Ask the servers in DEBUGINFOD_URLS for missing files [default: where that variable is set]'
complete -c obit -n "__fish_obit_using_subcommand fingerprint" -l no-debuginfod -d 'Do not ask any server'
complete -c obit -n "__fish_obit_using_subcommand fingerprint" -l allow-mismatch -d 'Use a file whose build-id differs from the core\'s [default: refuse it, and say so]'
complete -c obit -n "__fish_obit_using_subcommand fingerprint" -l json -d 'Print one JSON document (its schema: obit schema)'
complete -c obit -n "__fish_obit_using_subcommand fingerprint" -l explain -d 'Show every frame, whether it is part of the fingerprint, and by which rule'
complete -c obit -n "__fish_obit_using_subcommand fingerprint" -l anew -d 'Compute it anew, though the snapshot was given one when it was taken'
complete -c obit -n "__fish_obit_using_subcommand fingerprint" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c obit -n "__fish_obit_using_subcommand why" -l exe -d 'The main executable, where the core\'s own record of it does not lead to the file' -r -F
complete -c obit -n "__fish_obit_using_subcommand why" -l sysroot -d 'Look for every module under DIR first' -r -f -a "(__fish_complete_directories)"
complete -c obit -n "__fish_obit_using_subcommand why" -l debug-dir -d 'Look for separate debug files here too (may repeat) [default: /usr/lib/debug]' -r -f -a "(__fish_complete_directories)"
complete -c obit -n "__fish_obit_using_subcommand why" -l color -d 'When to use colours' -r -f -a "auto\t'On a terminal, unless NO_COLOR is set'
always\t'Always'
never\t'Never'"
complete -c obit -n "__fish_obit_using_subcommand why" -l thread -d 'The thread, by its LWP [default: the crashed one]' -r
complete -c obit -n "__fish_obit_using_subcommand why" -l frame -d 'The frame, counted as bt does [default: 0]' -r
complete -c obit -n "__fish_obit_using_subcommand why" -l debuginfod -d 'Ask the servers in DEBUGINFOD_URLS for missing files [default: where that variable is set]'
complete -c obit -n "__fish_obit_using_subcommand why" -l no-debuginfod -d 'Do not ask any server'
complete -c obit -n "__fish_obit_using_subcommand why" -l allow-mismatch -d 'Use a file whose build-id differs from the core\'s [default: refuse it, and say so]'
complete -c obit -n "__fish_obit_using_subcommand why" -l json -d 'Print one JSON document (its schema: obit schema)'
complete -c obit -n "__fish_obit_using_subcommand why" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c obit -n "__fish_obit_using_subcommand threads" -l exe -d 'The main executable, where the core\'s own record of it does not lead to the file' -r -F
complete -c obit -n "__fish_obit_using_subcommand threads" -l sysroot -d 'Look for every module under DIR first' -r -f -a "(__fish_complete_directories)"
complete -c obit -n "__fish_obit_using_subcommand threads" -l debug-dir -d 'Look for separate debug files here too (may repeat) [default: /usr/lib/debug]' -r -f -a "(__fish_complete_directories)"
complete -c obit -n "__fish_obit_using_subcommand threads" -l color -d 'When to use colours' -r -f -a "auto\t'On a terminal, unless NO_COLOR is set'
always\t'Always'
never\t'Never'"
complete -c obit -n "__fish_obit_using_subcommand threads" -l debuginfod -d 'Ask the servers in DEBUGINFOD_URLS for missing files [default: where that variable is set]'
complete -c obit -n "__fish_obit_using_subcommand threads" -l no-debuginfod -d 'Do not ask any server'
complete -c obit -n "__fish_obit_using_subcommand threads" -l allow-mismatch -d 'Use a file whose build-id differs from the core\'s [default: refuse it, and say so]'
complete -c obit -n "__fish_obit_using_subcommand threads" -l json -d 'Print one JSON document (its schema: obit schema)'
complete -c obit -n "__fish_obit_using_subcommand threads" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c obit -n "__fish_obit_using_subcommand stacks" -l exe -d 'The main executable, where the core\'s own record of it does not lead to the file' -r -F
complete -c obit -n "__fish_obit_using_subcommand stacks" -l sysroot -d 'Look for every module under DIR first' -r -f -a "(__fish_complete_directories)"
complete -c obit -n "__fish_obit_using_subcommand stacks" -l debug-dir -d 'Look for separate debug files here too (may repeat) [default: /usr/lib/debug]' -r -f -a "(__fish_complete_directories)"
complete -c obit -n "__fish_obit_using_subcommand stacks" -l color -d 'When to use colours' -r -f -a "auto\t'On a terminal, unless NO_COLOR is set'
always\t'Always'
never\t'Never'"
complete -c obit -n "__fish_obit_using_subcommand stacks" -l function -d 'Only threads with a function on their stack whose name contains TEXT' -r
complete -c obit -n "__fish_obit_using_subcommand stacks" -l module -d 'Only threads with a module on their stack whose path contains TEXT' -r
complete -c obit -n "__fish_obit_using_subcommand stacks" -l state -d 'Only threads in that state: running, idle, lock (of any kind), mutex, rwlock, condition, semaphore, barrier, join, once, future, channel, select, wait-group, park, spinlock, futex, input, output, sleep, signal, child, shared' -r -f -a "running\t''
idle\t''
lock\t''
mutex\t''
rwlock\t''
condition\t''
semaphore\t''
barrier\t''
join\t''
once\t''
future\t''
channel\t''
select\t''
wait-group\t''
park\t''
spinlock\t''
futex\t''
input\t''
output\t''
sleep\t''
signal\t''
child\t''
shared\t''"
complete -c obit -n "__fish_obit_using_subcommand stacks" -l frames -d 'Show at most N frames a stack; the outermost are kept' -r
complete -c obit -n "__fish_obit_using_subcommand stacks" -l debuginfod -d 'Ask the servers in DEBUGINFOD_URLS for missing files [default: where that variable is set]'
complete -c obit -n "__fish_obit_using_subcommand stacks" -l no-debuginfod -d 'Do not ask any server'
complete -c obit -n "__fish_obit_using_subcommand stacks" -l allow-mismatch -d 'Use a file whose build-id differs from the core\'s [default: refuse it, and say so]'
complete -c obit -n "__fish_obit_using_subcommand stacks" -l json -d 'Print one JSON document (its schema: obit schema)'
complete -c obit -n "__fish_obit_using_subcommand stacks" -l exact -d 'Put only threads together that stand at the same addresses, not all in the same functions'
complete -c obit -n "__fish_obit_using_subcommand stacks" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c obit -n "__fish_obit_using_subcommand goroutines" -l exe -d 'The main executable, where the core\'s own record of it does not lead to the file' -r -F
complete -c obit -n "__fish_obit_using_subcommand goroutines" -l sysroot -d 'Look for every module under DIR first' -r -f -a "(__fish_complete_directories)"
complete -c obit -n "__fish_obit_using_subcommand goroutines" -l debug-dir -d 'Look for separate debug files here too (may repeat) [default: /usr/lib/debug]' -r -f -a "(__fish_complete_directories)"
complete -c obit -n "__fish_obit_using_subcommand goroutines" -l color -d 'When to use colours' -r -f -a "auto\t'On a terminal, unless NO_COLOR is set'
always\t'Always'
never\t'Never'"
complete -c obit -n "__fish_obit_using_subcommand goroutines" -l with -d 'Only goroutines with a function on their stack, or a state, that RE matches' -r
complete -c obit -n "__fish_obit_using_subcommand goroutines" -l without -d 'Only goroutines without one' -r
complete -c obit -n "__fish_obit_using_subcommand goroutines" -l id -d 'Only the goroutine with that number' -r
complete -c obit -n "__fish_obit_using_subcommand goroutines" -l by -d 'Count goroutines by that instead: location (the innermost frame that is not the runtime\'s), start (the function that each began with), creator (the go statement), reason, label' -r -f -a "location\t''
start\t''
creator\t''
reason\t''
label\t''"
complete -c obit -n "__fish_obit_using_subcommand goroutines" -l frames -d 'Show at most N frames a goroutine; the outermost are kept' -r
complete -c obit -n "__fish_obit_using_subcommand goroutines" -l depth -d 'Show at most N levels of nested aggregates and followed pointers [default: 4]' -r
complete -c obit -n "__fish_obit_using_subcommand goroutines" -l max-items -d 'Show at most N elements of an array [default: 64]' -r
complete -c obit -n "__fish_obit_using_subcommand goroutines" -l max-string -d 'Show at most N bytes of a string [default: 1024]' -r
complete -c obit -n "__fish_obit_using_subcommand goroutines" -l debuginfod -d 'Ask the servers in DEBUGINFOD_URLS for missing files [default: where that variable is set]'
complete -c obit -n "__fish_obit_using_subcommand goroutines" -l no-debuginfod -d 'Do not ask any server'
complete -c obit -n "__fish_obit_using_subcommand goroutines" -l allow-mismatch -d 'Use a file whose build-id differs from the core\'s [default: refuse it, and say so]'
complete -c obit -n "__fish_obit_using_subcommand goroutines" -l json -d 'Print one JSON document (its schema: obit schema)'
complete -c obit -n "__fish_obit_using_subcommand goroutines" -l sched -d 'Show what schedules them instead: threads, processors, run queues, the garbage collector\'s pace'
complete -c obit -n "__fish_obit_using_subcommand goroutines" -l system -d 'Also the runtime\'s own goroutines and frames [JSON always has them]'
complete -c obit -n "__fish_obit_using_subcommand goroutines" -l locals -d 'Show every frame\'s local variables'
complete -c obit -n "__fish_obit_using_subcommand goroutines" -l group -d 'Show goroutines that do the same at the same place once [default in text]'
complete -c obit -n "__fish_obit_using_subcommand goroutines" -l no-group -d 'Show every goroutine by itself'
complete -c obit -n "__fish_obit_using_subcommand goroutines" -l raw -d 'Show plain fields as the debug information has them, without any language formatter'
complete -c obit -n "__fish_obit_using_subcommand goroutines" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c obit -n "__fish_obit_using_subcommand heap" -l exe -d 'The main executable, where the core\'s own record of it does not lead to the file' -r -F
complete -c obit -n "__fish_obit_using_subcommand heap" -l sysroot -d 'Look for every module under DIR first' -r -f -a "(__fish_complete_directories)"
complete -c obit -n "__fish_obit_using_subcommand heap" -l debug-dir -d 'Look for separate debug files here too (may repeat) [default: /usr/lib/debug]' -r -f -a "(__fish_complete_directories)"
complete -c obit -n "__fish_obit_using_subcommand heap" -l color -d 'When to use colours' -r -f -a "auto\t'On a terminal, unless NO_COLOR is set'
always\t'Always'
never\t'Never'"
complete -c obit -n "__fish_obit_using_subcommand heap" -l top -d 'Show the N types with the most bytes [default: 40; JSON has all]' -r
complete -c obit -n "__fish_obit_using_subcommand heap" -l debuginfod -d 'Ask the servers in DEBUGINFOD_URLS for missing files [default: where that variable is set]'
complete -c obit -n "__fish_obit_using_subcommand heap" -l no-debuginfod -d 'Do not ask any server'
complete -c obit -n "__fish_obit_using_subcommand heap" -l allow-mismatch -d 'Use a file whose build-id differs from the core\'s [default: refuse it, and say so]'
complete -c obit -n "__fish_obit_using_subcommand heap" -l json -d 'Print one JSON document (its schema: obit schema)'
complete -c obit -n "__fish_obit_using_subcommand heap" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c obit -n "__fish_obit_using_subcommand refs" -l exe -d 'The main executable, where the core\'s own record of it does not lead to the file' -r -F
complete -c obit -n "__fish_obit_using_subcommand refs" -l sysroot -d 'Look for every module under DIR first' -r -f -a "(__fish_complete_directories)"
complete -c obit -n "__fish_obit_using_subcommand refs" -l debug-dir -d 'Look for separate debug files here too (may repeat) [default: /usr/lib/debug]' -r -f -a "(__fish_complete_directories)"
complete -c obit -n "__fish_obit_using_subcommand refs" -l color -d 'When to use colours' -r -f -a "auto\t'On a terminal, unless NO_COLOR is set'
always\t'Always'
never\t'Never'"
complete -c obit -n "__fish_obit_using_subcommand refs" -l thread -d 'The thread, by its LWP [default: the crashed one]' -r
complete -c obit -n "__fish_obit_using_subcommand refs" -l frame -d 'The frame, counted as bt does [default: 0]' -r
complete -c obit -n "__fish_obit_using_subcommand refs" -l debuginfod -d 'Ask the servers in DEBUGINFOD_URLS for missing files [default: where that variable is set]'
complete -c obit -n "__fish_obit_using_subcommand refs" -l no-debuginfod -d 'Do not ask any server'
complete -c obit -n "__fish_obit_using_subcommand refs" -l allow-mismatch -d 'Use a file whose build-id differs from the core\'s [default: refuse it, and say so]'
complete -c obit -n "__fish_obit_using_subcommand refs" -l json -d 'Print one JSON document (its schema: obit schema)'
complete -c obit -n "__fish_obit_using_subcommand refs" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c obit -n "__fish_obit_using_subcommand locks" -l exe -d 'The main executable, where the core\'s own record of it does not lead to the file' -r -F
complete -c obit -n "__fish_obit_using_subcommand locks" -l sysroot -d 'Look for every module under DIR first' -r -f -a "(__fish_complete_directories)"
complete -c obit -n "__fish_obit_using_subcommand locks" -l debug-dir -d 'Look for separate debug files here too (may repeat) [default: /usr/lib/debug]' -r -f -a "(__fish_complete_directories)"
complete -c obit -n "__fish_obit_using_subcommand locks" -l color -d 'When to use colours' -r -f -a "auto\t'On a terminal, unless NO_COLOR is set'
always\t'Always'
never\t'Never'"
complete -c obit -n "__fish_obit_using_subcommand locks" -l debuginfod -d 'Ask the servers in DEBUGINFOD_URLS for missing files [default: where that variable is set]'
complete -c obit -n "__fish_obit_using_subcommand locks" -l no-debuginfod -d 'Do not ask any server'
complete -c obit -n "__fish_obit_using_subcommand locks" -l allow-mismatch -d 'Use a file whose build-id differs from the core\'s [default: refuse it, and say so]'
complete -c obit -n "__fish_obit_using_subcommand locks" -l json -d 'Print one JSON document (its schema: obit schema)'
complete -c obit -n "__fish_obit_using_subcommand locks" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c obit -n "__fish_obit_using_subcommand info" -l exe -d 'The main executable, where the core\'s own record of it does not lead to the file' -r -F
complete -c obit -n "__fish_obit_using_subcommand info" -l sysroot -d 'Look for every module under DIR first' -r -f -a "(__fish_complete_directories)"
complete -c obit -n "__fish_obit_using_subcommand info" -l debug-dir -d 'Look for separate debug files here too (may repeat) [default: /usr/lib/debug]' -r -f -a "(__fish_complete_directories)"
complete -c obit -n "__fish_obit_using_subcommand info" -l color -d 'When to use colours' -r -f -a "auto\t'On a terminal, unless NO_COLOR is set'
always\t'Always'
never\t'Never'"
complete -c obit -n "__fish_obit_using_subcommand info" -l debuginfod -d 'Ask the servers in DEBUGINFOD_URLS for missing files [default: where that variable is set]'
complete -c obit -n "__fish_obit_using_subcommand info" -l no-debuginfod -d 'Do not ask any server'
complete -c obit -n "__fish_obit_using_subcommand info" -l allow-mismatch -d 'Use a file whose build-id differs from the core\'s [default: refuse it, and say so]'
complete -c obit -n "__fish_obit_using_subcommand info" -l json -d 'Print one JSON document (its schema: obit schema)'
complete -c obit -n "__fish_obit_using_subcommand info" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c obit -n "__fish_obit_using_subcommand modules" -l exe -d 'The main executable, where the core\'s own record of it does not lead to the file' -r -F
complete -c obit -n "__fish_obit_using_subcommand modules" -l sysroot -d 'Look for every module under DIR first' -r -f -a "(__fish_complete_directories)"
complete -c obit -n "__fish_obit_using_subcommand modules" -l debug-dir -d 'Look for separate debug files here too (may repeat) [default: /usr/lib/debug]' -r -f -a "(__fish_complete_directories)"
complete -c obit -n "__fish_obit_using_subcommand modules" -l color -d 'When to use colours' -r -f -a "auto\t'On a terminal, unless NO_COLOR is set'
always\t'Always'
never\t'Never'"
complete -c obit -n "__fish_obit_using_subcommand modules" -l debuginfod -d 'Ask the servers in DEBUGINFOD_URLS for missing files [default: where that variable is set]'
complete -c obit -n "__fish_obit_using_subcommand modules" -l no-debuginfod -d 'Do not ask any server'
complete -c obit -n "__fish_obit_using_subcommand modules" -l allow-mismatch -d 'Use a file whose build-id differs from the core\'s [default: refuse it, and say so]'
complete -c obit -n "__fish_obit_using_subcommand modules" -l json -d 'Print one JSON document (its schema: obit schema)'
complete -c obit -n "__fish_obit_using_subcommand modules" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c obit -n "__fish_obit_using_subcommand maps" -l exe -d 'The main executable, where the core\'s own record of it does not lead to the file' -r -F
complete -c obit -n "__fish_obit_using_subcommand maps" -l sysroot -d 'Look for every module under DIR first' -r -f -a "(__fish_complete_directories)"
complete -c obit -n "__fish_obit_using_subcommand maps" -l debug-dir -d 'Look for separate debug files here too (may repeat) [default: /usr/lib/debug]' -r -f -a "(__fish_complete_directories)"
complete -c obit -n "__fish_obit_using_subcommand maps" -l color -d 'When to use colours' -r -f -a "auto\t'On a terminal, unless NO_COLOR is set'
always\t'Always'
never\t'Never'"
complete -c obit -n "__fish_obit_using_subcommand maps" -l debuginfod -d 'Ask the servers in DEBUGINFOD_URLS for missing files [default: where that variable is set]'
complete -c obit -n "__fish_obit_using_subcommand maps" -l no-debuginfod -d 'Do not ask any server'
complete -c obit -n "__fish_obit_using_subcommand maps" -l allow-mismatch -d 'Use a file whose build-id differs from the core\'s [default: refuse it, and say so]'
complete -c obit -n "__fish_obit_using_subcommand maps" -l json -d 'Print one JSON document (its schema: obit schema)'
complete -c obit -n "__fish_obit_using_subcommand maps" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c obit -n "__fish_obit_using_subcommand registers" -l exe -d 'The main executable, where the core\'s own record of it does not lead to the file' -r -F
complete -c obit -n "__fish_obit_using_subcommand registers" -l sysroot -d 'Look for every module under DIR first' -r -f -a "(__fish_complete_directories)"
complete -c obit -n "__fish_obit_using_subcommand registers" -l debug-dir -d 'Look for separate debug files here too (may repeat) [default: /usr/lib/debug]' -r -f -a "(__fish_complete_directories)"
complete -c obit -n "__fish_obit_using_subcommand registers" -l color -d 'When to use colours' -r -f -a "auto\t'On a terminal, unless NO_COLOR is set'
always\t'Always'
never\t'Never'"
complete -c obit -n "__fish_obit_using_subcommand registers" -l thread -d 'The thread, by its LWP [default: the crashed one]' -r
complete -c obit -n "__fish_obit_using_subcommand registers" -l frame -d 'The frame, counted as bt does [default: 0]' -r
complete -c obit -n "__fish_obit_using_subcommand registers" -l debuginfod -d 'Ask the servers in DEBUGINFOD_URLS for missing files [default: where that variable is set]'
complete -c obit -n "__fish_obit_using_subcommand registers" -l no-debuginfod -d 'Do not ask any server'
complete -c obit -n "__fish_obit_using_subcommand registers" -l allow-mismatch -d 'Use a file whose build-id differs from the core\'s [default: refuse it, and say so]'
complete -c obit -n "__fish_obit_using_subcommand registers" -l json -d 'Print one JSON document (its schema: obit schema)'
complete -c obit -n "__fish_obit_using_subcommand registers" -l all -d 'Show vector and floating-point registers too'
complete -c obit -n "__fish_obit_using_subcommand registers" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c obit -n "__fish_obit_using_subcommand print" -l exe -d 'The main executable, where the core\'s own record of it does not lead to the file' -r -F
complete -c obit -n "__fish_obit_using_subcommand print" -l sysroot -d 'Look for every module under DIR first' -r -f -a "(__fish_complete_directories)"
complete -c obit -n "__fish_obit_using_subcommand print" -l debug-dir -d 'Look for separate debug files here too (may repeat) [default: /usr/lib/debug]' -r -f -a "(__fish_complete_directories)"
complete -c obit -n "__fish_obit_using_subcommand print" -l color -d 'When to use colours' -r -f -a "auto\t'On a terminal, unless NO_COLOR is set'
always\t'Always'
never\t'Never'"
complete -c obit -n "__fish_obit_using_subcommand print" -l thread -d 'The thread, by its LWP [default: the crashed one]' -r
complete -c obit -n "__fish_obit_using_subcommand print" -l frame -d 'The frame, counted as bt does [default: 0]' -r
complete -c obit -n "__fish_obit_using_subcommand print" -s f -l format -d 'Show numbers as x hex, d decimal, u unsigned, o octal, t binary, c character, a address, f float, z padded hex, s default' -r
complete -c obit -n "__fish_obit_using_subcommand print" -l depth -d 'Show at most N levels of nested aggregates and followed pointers [default: 4]' -r
complete -c obit -n "__fish_obit_using_subcommand print" -l max-items -d 'Show at most N elements of an array [default: 64]' -r
complete -c obit -n "__fish_obit_using_subcommand print" -l max-string -d 'Show at most N bytes of a string [default: 1024]' -r
complete -c obit -n "__fish_obit_using_subcommand print" -l debuginfod -d 'Ask the servers in DEBUGINFOD_URLS for missing files [default: where that variable is set]'
complete -c obit -n "__fish_obit_using_subcommand print" -l no-debuginfod -d 'Do not ask any server'
complete -c obit -n "__fish_obit_using_subcommand print" -l allow-mismatch -d 'Use a file whose build-id differs from the core\'s [default: refuse it, and say so]'
complete -c obit -n "__fish_obit_using_subcommand print" -l json -d 'Print one JSON document (its schema: obit schema)'
complete -c obit -n "__fish_obit_using_subcommand print" -l raw -d 'Show plain fields as the debug information has them, without any language formatter'
complete -c obit -n "__fish_obit_using_subcommand print" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c obit -n "__fish_obit_using_subcommand ptype" -l exe -d 'The main executable, where the core\'s own record of it does not lead to the file' -r -F
complete -c obit -n "__fish_obit_using_subcommand ptype" -l sysroot -d 'Look for every module under DIR first' -r -f -a "(__fish_complete_directories)"
complete -c obit -n "__fish_obit_using_subcommand ptype" -l debug-dir -d 'Look for separate debug files here too (may repeat) [default: /usr/lib/debug]' -r -f -a "(__fish_complete_directories)"
complete -c obit -n "__fish_obit_using_subcommand ptype" -l color -d 'When to use colours' -r -f -a "auto\t'On a terminal, unless NO_COLOR is set'
always\t'Always'
never\t'Never'"
complete -c obit -n "__fish_obit_using_subcommand ptype" -l thread -d 'The thread, by its LWP [default: the crashed one]' -r
complete -c obit -n "__fish_obit_using_subcommand ptype" -l frame -d 'The frame, counted as bt does [default: 0]' -r
complete -c obit -n "__fish_obit_using_subcommand ptype" -l debuginfod -d 'Ask the servers in DEBUGINFOD_URLS for missing files [default: where that variable is set]'
complete -c obit -n "__fish_obit_using_subcommand ptype" -l no-debuginfod -d 'Do not ask any server'
complete -c obit -n "__fish_obit_using_subcommand ptype" -l allow-mismatch -d 'Use a file whose build-id differs from the core\'s [default: refuse it, and say so]'
complete -c obit -n "__fish_obit_using_subcommand ptype" -l json -d 'Print one JSON document (its schema: obit schema)'
complete -c obit -n "__fish_obit_using_subcommand ptype" -s o -l offsets -d 'Show each field\'s offset and size, and the holes between them (gdb\'s /o)'
complete -c obit -n "__fish_obit_using_subcommand ptype" -l hex -d 'Show offsets and sizes in hex'
complete -c obit -n "__fish_obit_using_subcommand ptype" -l no-methods -d 'Leave out methods'
complete -c obit -n "__fish_obit_using_subcommand ptype" -l raw-names -d 'Names of C++\'s library in full, with the template arguments that nobody gives (gdb\'s /r)'
complete -c obit -n "__fish_obit_using_subcommand ptype" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c obit -n "__fish_obit_using_subcommand x" -l exe -d 'The main executable, where the core\'s own record of it does not lead to the file' -r -F
complete -c obit -n "__fish_obit_using_subcommand x" -l sysroot -d 'Look for every module under DIR first' -r -f -a "(__fish_complete_directories)"
complete -c obit -n "__fish_obit_using_subcommand x" -l debug-dir -d 'Look for separate debug files here too (may repeat) [default: /usr/lib/debug]' -r -f -a "(__fish_complete_directories)"
complete -c obit -n "__fish_obit_using_subcommand x" -l color -d 'When to use colours' -r -f -a "auto\t'On a terminal, unless NO_COLOR is set'
always\t'Always'
never\t'Never'"
complete -c obit -n "__fish_obit_using_subcommand x" -s f -l format -d 'Count, form (x d u o t c a f s z, i for instructions) and unit (b h w g), as after gdb\'s x/' -r
complete -c obit -n "__fish_obit_using_subcommand x" -l thread -d 'The thread, by its LWP [default: the crashed one]' -r
complete -c obit -n "__fish_obit_using_subcommand x" -l frame -d 'The frame, counted as bt does [default: 0]' -r
complete -c obit -n "__fish_obit_using_subcommand x" -l max-string -d 'Show at most N bytes of a string' -r
complete -c obit -n "__fish_obit_using_subcommand x" -l debuginfod -d 'Ask the servers in DEBUGINFOD_URLS for missing files [default: where that variable is set]'
complete -c obit -n "__fish_obit_using_subcommand x" -l no-debuginfod -d 'Do not ask any server'
complete -c obit -n "__fish_obit_using_subcommand x" -l allow-mismatch -d 'Use a file whose build-id differs from the core\'s [default: refuse it, and say so]'
complete -c obit -n "__fish_obit_using_subcommand x" -l json -d 'Print one JSON document (its schema: obit schema)'
complete -c obit -n "__fish_obit_using_subcommand x" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c obit -n "__fish_obit_using_subcommand list" -l exe -d 'The main executable, where the core\'s own record of it does not lead to the file' -r -F
complete -c obit -n "__fish_obit_using_subcommand list" -l sysroot -d 'Look for every module under DIR first' -r -f -a "(__fish_complete_directories)"
complete -c obit -n "__fish_obit_using_subcommand list" -l debug-dir -d 'Look for separate debug files here too (may repeat) [default: /usr/lib/debug]' -r -f -a "(__fish_complete_directories)"
complete -c obit -n "__fish_obit_using_subcommand list" -l color -d 'When to use colours' -r -f -a "auto\t'On a terminal, unless NO_COLOR is set'
always\t'Always'
never\t'Never'"
complete -c obit -n "__fish_obit_using_subcommand list" -l thread -d 'The thread, by its LWP [default: the crashed one]' -r
complete -c obit -n "__fish_obit_using_subcommand list" -l frame -d 'The frame, counted as bt does [default: 0]' -r
complete -c obit -n "__fish_obit_using_subcommand list" -l lines -d 'How many lines [default: 10]' -r
complete -c obit -n "__fish_obit_using_subcommand list" -l debuginfod -d 'Ask the servers in DEBUGINFOD_URLS for missing files [default: where that variable is set]'
complete -c obit -n "__fish_obit_using_subcommand list" -l no-debuginfod -d 'Do not ask any server'
complete -c obit -n "__fish_obit_using_subcommand list" -l allow-mismatch -d 'Use a file whose build-id differs from the core\'s [default: refuse it, and say so]'
complete -c obit -n "__fish_obit_using_subcommand list" -l json -d 'Print one JSON document (its schema: obit schema)'
complete -c obit -n "__fish_obit_using_subcommand list" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c obit -n "__fish_obit_using_subcommand disassemble" -l exe -d 'The main executable, where the core\'s own record of it does not lead to the file' -r -F
complete -c obit -n "__fish_obit_using_subcommand disassemble" -l sysroot -d 'Look for every module under DIR first' -r -f -a "(__fish_complete_directories)"
complete -c obit -n "__fish_obit_using_subcommand disassemble" -l debug-dir -d 'Look for separate debug files here too (may repeat) [default: /usr/lib/debug]' -r -f -a "(__fish_complete_directories)"
complete -c obit -n "__fish_obit_using_subcommand disassemble" -l color -d 'When to use colours' -r -f -a "auto\t'On a terminal, unless NO_COLOR is set'
always\t'Always'
never\t'Never'"
complete -c obit -n "__fish_obit_using_subcommand disassemble" -l count -d 'Show at most N instructions' -r
complete -c obit -n "__fish_obit_using_subcommand disassemble" -l thread -d 'The thread, by its LWP [default: the crashed one]' -r
complete -c obit -n "__fish_obit_using_subcommand disassemble" -l frame -d 'The frame, counted as bt does [default: 0]' -r
complete -c obit -n "__fish_obit_using_subcommand disassemble" -l debuginfod -d 'Ask the servers in DEBUGINFOD_URLS for missing files [default: where that variable is set]'
complete -c obit -n "__fish_obit_using_subcommand disassemble" -l no-debuginfod -d 'Do not ask any server'
complete -c obit -n "__fish_obit_using_subcommand disassemble" -l allow-mismatch -d 'Use a file whose build-id differs from the core\'s [default: refuse it, and say so]'
complete -c obit -n "__fish_obit_using_subcommand disassemble" -l json -d 'Print one JSON document (its schema: obit schema)'
complete -c obit -n "__fish_obit_using_subcommand disassemble" -s s -l source -d 'Show source lines'
complete -c obit -n "__fish_obit_using_subcommand disassemble" -s r -l raw-bytes -d 'Show the instructions\' bytes'
complete -c obit -n "__fish_obit_using_subcommand disassemble" -l intel -d 'Intel\'s syntax instead of AT&T\'s'
complete -c obit -n "__fish_obit_using_subcommand disassemble" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c obit -n "__fish_obit_using_subcommand snapshot" -l exe -d 'The main executable, where the core\'s own record of it does not lead to the file' -r -F
complete -c obit -n "__fish_obit_using_subcommand snapshot" -l sysroot -d 'Look for every module under DIR first' -r -f -a "(__fish_complete_directories)"
complete -c obit -n "__fish_obit_using_subcommand snapshot" -l debug-dir -d 'Look for separate debug files here too (may repeat) [default: /usr/lib/debug]' -r -f -a "(__fish_complete_directories)"
complete -c obit -n "__fish_obit_using_subcommand snapshot" -l color -d 'When to use colours' -r -f -a "auto\t'On a terminal, unless NO_COLOR is set'
always\t'Always'
never\t'Never'"
complete -c obit -n "__fish_obit_using_subcommand snapshot" -s o -l output -d 'The file to write' -r -F
complete -c obit -n "__fish_obit_using_subcommand snapshot" -l budget -d 'Keep at most this much memory beyond what answers at the usual limits (bytes, KiB, MiB, GiB)' -r
complete -c obit -n "__fish_obit_using_subcommand snapshot" -l thread-budget -d 'Add at most this much memory for one thread\'s frames [default: what is left, shared equally]' -r
complete -c obit -n "__fish_obit_using_subcommand snapshot" -l depth -d 'Follow values this deep while the budget lasts' -r
complete -c obit -n "__fish_obit_using_subcommand snapshot" -l max-items -d 'Keep this many elements of an array or a container while the budget lasts' -r
complete -c obit -n "__fish_obit_using_subcommand snapshot" -l global -d 'Keep the global or static variable, too (may repeat)' -r
complete -c obit -n "__fish_obit_using_subcommand snapshot" -l expr -d 'Keep what the expression reads in the crashed frame, too (may repeat)' -r
complete -c obit -n "__fish_obit_using_subcommand snapshot" -l attr -d 'An attribute to find it by (may repeat)' -r
complete -c obit -n "__fish_obit_using_subcommand snapshot" -l log -d 'Keep the last lines of a log file, too (may repeat)' -r -F
complete -c obit -n "__fish_obit_using_subcommand snapshot" -l redact -d 'Leave out all that the program wrote but pointers, lengths and types' -r -f -a "scalars\t'Numbers and text'"
complete -c obit -n "__fish_obit_using_subcommand snapshot" -l redact-rules -d 'Mask secrets by the rules in FILE [default: the usual rules]' -r -F
complete -c obit -n "__fish_obit_using_subcommand snapshot" -l debuginfod -d 'Ask the servers in DEBUGINFOD_URLS for missing files [default: where that variable is set]'
complete -c obit -n "__fish_obit_using_subcommand snapshot" -l no-debuginfod -d 'Do not ask any server'
complete -c obit -n "__fish_obit_using_subcommand snapshot" -l allow-mismatch -d 'Use a file whose build-id differs from the core\'s [default: refuse it, and say so]'
complete -c obit -n "__fish_obit_using_subcommand snapshot" -l json -d 'Print one JSON document (its schema: obit schema)'
complete -c obit -n "__fish_obit_using_subcommand snapshot" -l no-heap -d 'Leave out the heap'
complete -c obit -n "__fish_obit_using_subcommand snapshot" -l no-strings -d 'Leave out text'
complete -c obit -n "__fish_obit_using_subcommand snapshot" -l no-redaction -d 'Mask nothing: the file may hold passwords'
complete -c obit -n "__fish_obit_using_subcommand snapshot" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c obit -n "__fish_obit_using_subcommand export" -l exe -d 'The main executable, where the core\'s own record of it does not lead to the file' -r -F
complete -c obit -n "__fish_obit_using_subcommand export" -l sysroot -d 'Look for every module under DIR first' -r -f -a "(__fish_complete_directories)"
complete -c obit -n "__fish_obit_using_subcommand export" -l debug-dir -d 'Look for separate debug files here too (may repeat) [default: /usr/lib/debug]' -r -f -a "(__fish_complete_directories)"
complete -c obit -n "__fish_obit_using_subcommand export" -l color -d 'When to use colours' -r -f -a "auto\t'On a terminal, unless NO_COLOR is set'
always\t'Always'
never\t'Never'"
complete -c obit -n "__fish_obit_using_subcommand export" -s o -l output -d 'The file to write' -r -F
complete -c obit -n "__fish_obit_using_subcommand export" -l debuginfod -d 'Ask the servers in DEBUGINFOD_URLS for missing files [default: where that variable is set]'
complete -c obit -n "__fish_obit_using_subcommand export" -l no-debuginfod -d 'Do not ask any server'
complete -c obit -n "__fish_obit_using_subcommand export" -l allow-mismatch -d 'Use a file whose build-id differs from the core\'s [default: refuse it, and say so]'
complete -c obit -n "__fish_obit_using_subcommand export" -l json -d 'Print one JSON document (its schema: obit schema)'
complete -c obit -n "__fish_obit_using_subcommand export" -l core -d 'An ELF core of what a snapshot keeps, for gdb and lldb'
complete -c obit -n "__fish_obit_using_subcommand export" -l minidump -d 'A minidump of the same, for lldb and for whatever reads Breakpad\'s and Crashpad\'s'
complete -c obit -n "__fish_obit_using_subcommand export" -l html -d 'A page for a browser: threads, frames, source, variables to unfold; needs no network and no script'
complete -c obit -n "__fish_obit_using_subcommand export" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c obit -n "__fish_obit_using_subcommand capture; and not __fish_seen_subcommand_from install remove status handle work start" -s h -l help -d 'Print help'
complete -c obit -n "__fish_obit_using_subcommand capture; and not __fish_seen_subcommand_from install remove status handle work start" -f -a "install" -d 'Make the kernel hand crashes over to obit, now and after every start of the system'
complete -c obit -n "__fish_obit_using_subcommand capture; and not __fish_seen_subcommand_from install remove status handle work start" -f -a "remove" -d 'Put back what was set before; what was captured stays'
complete -c obit -n "__fish_obit_using_subcommand capture; and not __fish_seen_subcommand_from install remove status handle work start" -f -a "status" -d 'Show what is set and what was captured; status 1 where the handler is not installed'
complete -c obit -n "__fish_obit_using_subcommand capture; and not __fish_seen_subcommand_from install remove status handle work start" -f -a "handle" -d 'What the kernel calls: take a snapshot of the dying process PID, whose core is on standard input'
complete -c obit -n "__fish_obit_using_subcommand capture; and not __fish_seen_subcommand_from install remove status handle work start" -f -a "work" -d 'The handler\'s child'
complete -c obit -n "__fish_obit_using_subcommand capture; and not __fish_seen_subcommand_from install remove status handle work start" -f -a "start" -d 'The watched program, before it is one'
complete -c obit -n "__fish_obit_using_subcommand capture; and __fish_seen_subcommand_from install" -l spool -d 'Where snapshots are put [default: /var/spool/obit]' -r -f -a "(__fish_complete_directories)"
complete -c obit -n "__fish_obit_using_subcommand capture; and __fish_seen_subcommand_from install" -l quota -d 'What the spool may hold; the oldest files make room for new ones [default: 2GiB]' -r
complete -c obit -n "__fish_obit_using_subcommand capture; and __fish_seen_subcommand_from install" -l same-crash-per-hour -d 'Snapshots of the same crash in an hour, at most [default: 5]' -r
complete -c obit -n "__fish_obit_using_subcommand capture; and __fish_seen_subcommand_from install" -l deadline -d 'Let the dying process go after this many seconds [default: 10]' -r
complete -c obit -n "__fish_obit_using_subcommand capture; and __fish_seen_subcommand_from install" -l core-deadline -d 'After this many more where its whole core is kept, or an earlier handler is fed [default: 30]' -r
complete -c obit -n "__fish_obit_using_subcommand capture; and __fish_seen_subcommand_from install" -l whole-core -d 'When the whole core is kept, compressed [default: on-failure]' -r -f -a "never\t'Never'
on-failure\t'Where no snapshot could be made'
always\t'Always, beside the snapshot'"
complete -c obit -n "__fish_obit_using_subcommand capture; and __fish_seen_subcommand_from install" -l attr -d 'An attribute of every snapshot (may repeat)' -r
complete -c obit -n "__fish_obit_using_subcommand capture; and __fish_seen_subcommand_from install" -l at-once -d 'Crashes that the kernel hands over at once, at most' -r
complete -c obit -n "__fish_obit_using_subcommand capture; and __fish_seen_subcommand_from install" -l config -d 'The handler\'s settings' -r -F
complete -c obit -n "__fish_obit_using_subcommand capture; and __fish_seen_subcommand_from install" -l chain -d 'Feed the earlier handler (systemd-coredump, apport) too'
complete -c obit -n "__fish_obit_using_subcommand capture; and __fish_seen_subcommand_from install" -l no-chain -d 'Feed it no longer'
complete -c obit -n "__fish_obit_using_subcommand capture; and __fish_seen_subcommand_from install" -l json -d 'Print one JSON document'
complete -c obit -n "__fish_obit_using_subcommand capture; and __fish_seen_subcommand_from install" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c obit -n "__fish_obit_using_subcommand capture; and __fish_seen_subcommand_from remove" -l config -d 'The handler\'s settings' -r -F
complete -c obit -n "__fish_obit_using_subcommand capture; and __fish_seen_subcommand_from remove" -l json -d 'Print one JSON document'
complete -c obit -n "__fish_obit_using_subcommand capture; and __fish_seen_subcommand_from remove" -s h -l help -d 'Print help'
complete -c obit -n "__fish_obit_using_subcommand capture; and __fish_seen_subcommand_from status" -l config -d 'The handler\'s settings' -r -F
complete -c obit -n "__fish_obit_using_subcommand capture; and __fish_seen_subcommand_from status" -l json -d 'Print one JSON document'
complete -c obit -n "__fish_obit_using_subcommand capture; and __fish_seen_subcommand_from status" -s h -l help -d 'Print help'
complete -c obit -n "__fish_obit_using_subcommand capture; and __fish_seen_subcommand_from handle" -l config -d 'The handler\'s settings' -r -F
complete -c obit -n "__fish_obit_using_subcommand capture; and __fish_seen_subcommand_from handle" -s h -l help -d 'Print help'
complete -c obit -n "__fish_obit_using_subcommand capture; and __fish_seen_subcommand_from work" -l config -r -F
complete -c obit -n "__fish_obit_using_subcommand capture; and __fish_seen_subcommand_from work" -s h -l help -d 'Print help'
complete -c obit -n "__fish_obit_using_subcommand capture; and __fish_seen_subcommand_from start" -s h -l help -d 'Print help'
complete -c obit -n "__fish_obit_using_subcommand watch" -s o -l output -d 'Where snapshots are put' -r -f -a "(__fish_complete_directories)"
complete -c obit -n "__fish_obit_using_subcommand watch" -l timeout -d 'After so many seconds it hangs: snapshots are taken, it is killed, and the status is 124' -r
complete -c obit -n "__fish_obit_using_subcommand watch" -s h -l help -d 'Print help'
complete -c obit -n "__fish_obit_using_subcommand schema" -s h -l help -d 'Print help'
