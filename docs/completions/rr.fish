# Print an optspec for argparse to handle cmd's options that are independent of any subcommand.
function __fish_rr_global_optspecs
    string join \n D/debug log-level= config= h/help v/version
end

function __fish_rr_needs_command
    # Figure out if the current invocation already has a command.
    set -l cmd (commandline -opc)
    set -e cmd[1]
    argparse -s (__fish_rr_global_optspecs) -- $cmd 2>/dev/null
    or return
    if set -q argv[1]
        # Also print the command, so this can be used to figure out what it is.
        echo $argv[1]
        return 1
    end
    return 0
end

function __fish_rr_using_subcommand
    set -l cmd (__fish_rr_needs_command)
    test -z "$cmd"
    and return 1
    contains -- $cmd[1] $argv
end

complete -c rr -n "__fish_rr_needs_command" -l log-level -d 'What to log on standard error: trace, debug, info, warn or error [env: RR_LOG]' -r
complete -c rr -n "__fish_rr_needs_command" -l config -d 'Directory of Docker\'s client configuration with its credentials [env: DOCKER_CONFIG]' -r -F
complete -c rr -n "__fish_rr_needs_command" -s D -l debug -d 'Show what rr does, stage by stage, on standard error (the same as `--log-level debug`)'
complete -c rr -n "__fish_rr_needs_command" -s h -l help -d 'Print help'
complete -c rr -n "__fish_rr_needs_command" -s v -l version -d 'Print the version'
complete -c rr -n "__fish_rr_needs_command" -f -a "run" -d 'Create and run a new container from an image'
complete -c rr -n "__fish_rr_needs_command" -f -a "create" -d 'Create a container, to be started later'
complete -c rr -n "__fish_rr_needs_command" -f -a "start" -d 'Start one or more stopped containers'
complete -c rr -n "__fish_rr_needs_command" -f -a "stop" -d 'Stop one or more running containers'
complete -c rr -n "__fish_rr_needs_command" -f -a "restart" -d 'Restart one or more containers'
complete -c rr -n "__fish_rr_needs_command" -f -a "kill" -d 'Send a signal to one or more running containers'
complete -c rr -n "__fish_rr_needs_command" -f -a "wait" -d 'Wait until one or more containers stop, then print their exit statuses'
complete -c rr -n "__fish_rr_needs_command" -f -a "attach" -d 'Attach to a running container'
complete -c rr -n "__fish_rr_needs_command" -f -a "exec" -d 'Execute a command in a running container'
complete -c rr -n "__fish_rr_needs_command" -f -a "logs" -d 'Print what a container has written'
complete -c rr -n "__fish_rr_needs_command" -f -a "pause" -d 'Stop every process of one or more containers'
complete -c rr -n "__fish_rr_needs_command" -f -a "unpause" -d 'Let the processes of one or more containers go on'
complete -c rr -n "__fish_rr_needs_command" -f -a "top" -d 'Show the processes of a container'
complete -c rr -n "__fish_rr_needs_command" -f -a "explain" -d 'Show a container from the host and from inside beside each other'
complete -c rr -n "__fish_rr_needs_command" -f -a "stats" -d 'Show what containers use, again and again'
complete -c rr -n "__fish_rr_needs_command" -f -a "rename" -d 'Rename a container'
complete -c rr -n "__fish_rr_needs_command" -f -a "diff" -d 'Show what a container has added (A), changed (C) and deleted (D)'
complete -c rr -n "__fish_rr_needs_command" -f -a "commit" -d 'Make an image of what a container has changed'
complete -c rr -n "__fish_rr_needs_command" -f -a "export" -d 'Write all files of a container to a tar archive'
complete -c rr -n "__fish_rr_needs_command" -f -a "update" -d 'Change limits and the restart policy of one or more containers'
complete -c rr -n "__fish_rr_needs_command" -f -a "ps" -d 'List containers'
complete -c rr -n "__fish_rr_needs_command" -f -a "port" -d 'List the ports of a container that are published, or where one is'
complete -c rr -n "__fish_rr_needs_command" -f -a "rm" -d 'Remove one or more containers'
complete -c rr -n "__fish_rr_needs_command" -f -a "cp" -d 'Copy files between a container and the host'
complete -c rr -n "__fish_rr_needs_command" -f -a "build" -d 'Build an image from a Dockerfile'
complete -c rr -n "__fish_rr_needs_command" -f -a "pull" -d 'Download an image from a registry and unpack it'
complete -c rr -n "__fish_rr_needs_command" -f -a "images" -d 'List images'
complete -c rr -n "__fish_rr_needs_command" -f -a "push" -d 'Upload an image to a registry, or write it to an archive'
complete -c rr -n "__fish_rr_needs_command" -f -a "login" -d 'Keep the credentials for a registry'
complete -c rr -n "__fish_rr_needs_command" -f -a "logout" -d 'Forget the credentials for a registry'
complete -c rr -n "__fish_rr_needs_command" -f -a "history" -d 'Show how an image came about'
complete -c rr -n "__fish_rr_needs_command" -f -a "import" -d 'Make an image of a tar archive of a file system'
complete -c rr -n "__fish_rr_needs_command" -f -a "save" -d 'Write images to an archive'
complete -c rr -n "__fish_rr_needs_command" -f -a "load" -d 'Load images from an archive'
complete -c rr -n "__fish_rr_needs_command" -f -a "rmi" -d 'Remove one or more images'
complete -c rr -n "__fish_rr_needs_command" -f -a "tag" -d 'Give an image another name'
complete -c rr -n "__fish_rr_needs_command" -f -a "inspect" -d 'Show everything about containers and images'
complete -c rr -n "__fish_rr_needs_command" -f -a "events" -d 'Print what happens to containers, images and volumes'
complete -c rr -n "__fish_rr_needs_command" -f -a "doctor" -d 'Show what this machine offers and rr will use, and how to mend what is missing'
complete -c rr -n "__fish_rr_needs_command" -f -a "info" -d 'Show what rr has stored and what it finds on this machine'
complete -c rr -n "__fish_rr_needs_command" -f -a "version" -d 'Show the version of rr and of the machine it runs on'
complete -c rr -n "__fish_rr_needs_command" -f -a "unshare" -d 'Run a command as root of the store\'s user namespace, and of others where wanted'
complete -c rr -n "__fish_rr_needs_command" -f -a "demo" -d 'Show what a container is made of: a guided tour of real commands'
complete -c rr -n "__fish_rr_needs_command" -f -a "completion" -d 'Print a completion script for a shell'
complete -c rr -n "__fish_rr_needs_command" -f -a "man" -d 'Write the man pages into a directory'
complete -c rr -n "__fish_rr_needs_command" -f -a "builder" -d 'Manage builds'
complete -c rr -n "__fish_rr_needs_command" -f -a "buildx" -d 'Manage builds, by Docker\'s other name'
complete -c rr -n "__fish_rr_needs_command" -f -a "container" -d 'Manage containers'
complete -c rr -n "__fish_rr_needs_command" -f -a "healthcheck" -d 'Check the health of containers'
complete -c rr -n "__fish_rr_needs_command" -f -a "image" -d 'Manage images'
complete -c rr -n "__fish_rr_needs_command" -f -a "network" -d 'Manage networks'
complete -c rr -n "__fish_rr_needs_command" -f -a "system" -d 'Look at rr and this machine'
complete -c rr -n "__fish_rr_needs_command" -f -a "volume" -d 'Manage volumes'
complete -c rr -n "__fish_rr_using_subcommand run" -l authfile -d 'The file of credentials to use' -r -F
complete -c rr -n "__fish_rr_using_subcommand run" -l tls-verify -d 'Insist on HTTPS and a valid certificate [default: what registries.conf says]' -r
complete -c rr -n "__fish_rr_using_subcommand run" -s a -l attach -d 'Attach only these of STDIN, STDOUT and STDERR' -r
complete -c rr -n "__fish_rr_using_subcommand run" -l cap-add -d 'Add a capability (ALL for every one)' -r
complete -c rr -n "__fish_rr_using_subcommand run" -l cap-drop -d 'Drop a capability (ALL for every one)' -r
complete -c rr -n "__fish_rr_using_subcommand run" -l cidfile -d 'Write the container\'s id into a new file' -r -F
complete -c rr -n "__fish_rr_using_subcommand run" -l detach-keys -d 'Keys that detach from the terminal [default: ctrl-p,ctrl-q]' -r
complete -c rr -n "__fish_rr_using_subcommand run" -l entrypoint -d 'Replace the image\'s entrypoint; an empty one resets it' -r
complete -c rr -n "__fish_rr_using_subcommand run" -s e -l env -d 'Set a variable; a name alone takes its value from rr\'s environment' -r
complete -c rr -n "__fish_rr_using_subcommand run" -l env-file -d 'Read variables from a file' -r -F
complete -c rr -n "__fish_rr_using_subcommand run" -l gidmap -d 'Map group ids (see --uidmap)' -r
complete -c rr -n "__fish_rr_using_subcommand run" -l group-add -d 'Add a supplementary group; keep-groups keeps the user\'s own' -r
complete -c rr -n "__fish_rr_using_subcommand run" -l health-cmd -d 'Check the container\'s health by this command: of a shell, a JSON array of words, or none' -r
complete -c rr -n "__fish_rr_using_subcommand run" -l health-interval -d 'Time between two checks [default: 30s]' -r
complete -c rr -n "__fish_rr_using_subcommand run" -l health-on-failure -d 'What to do when it is unhealthy: none, kill, restart or stop [default: none]' -r
complete -c rr -n "__fish_rr_using_subcommand run" -l health-retries -d 'Failures in a row that make it unhealthy [default: 3]' -r
complete -c rr -n "__fish_rr_using_subcommand run" -l health-start-interval -d 'Time between two checks in the start period [default: 5s]' -r
complete -c rr -n "__fish_rr_using_subcommand run" -l health-start-period -d 'Time from the start in which failures do not count [default: 0s]' -r
complete -c rr -n "__fish_rr_using_subcommand run" -l health-timeout -d 'Time that a check may take [default: 30s]' -r
complete -c rr -n "__fish_rr_using_subcommand run" -l cgroupns -d 'private, host or container:NAME [default: private]' -r
complete -c rr -n "__fish_rr_using_subcommand run" -l device -d 'Bind a device of the host, or all of a directory' -r
complete -c rr -n "__fish_rr_using_subcommand run" -l domainname -d 'Set the container\'s NIS domain name' -r
complete -c rr -n "__fish_rr_using_subcommand run" -l ipc -d 'private, shareable, none, host or container:NAME [default: private]' -r
complete -c rr -n "__fish_rr_using_subcommand run" -l isolation -d 'namespaces, chroot (the root directory alone), or auto: chroot only where root is refused namespaces [default: auto]' -r
complete -c rr -n "__fish_rr_using_subcommand run" -l oom-score-adj -d 'How readily the kernel ends it when memory is short, from -1000 to 1000' -r
complete -c rr -n "__fish_rr_using_subcommand run" -l pid -d 'private, or host to show the host\'s processes in /proc [default: private]' -r
complete -c rr -n "__fish_rr_using_subcommand run" -l sysctl -d 'Set a kernel setting of the container\'s own namespaces' -r
complete -c rr -n "__fish_rr_using_subcommand run" -l uts -d 'private, host or container:NAME [default: private]' -r
complete -c rr -n "__fish_rr_using_subcommand run" -s h -l hostname -d 'Set the container\'s host name' -r
complete -c rr -n "__fish_rr_using_subcommand run" -s l -l label -d 'Set a label' -r
complete -c rr -n "__fish_rr_using_subcommand run" -l label-file -d 'Read labels from a file' -r -F
complete -c rr -n "__fish_rr_using_subcommand run" -l blkio-weight -d 'Share of the disks where they are busy, from 10 to 1000' -r
complete -c rr -n "__fish_rr_using_subcommand run" -l cpu-period -d 'Length of the period that --cpu-quota is about [default: 100000]' -r
complete -c rr -n "__fish_rr_using_subcommand run" -l cpu-quota -d 'Processor time in each period; -1 for no limit' -r
complete -c rr -n "__fish_rr_using_subcommand run" -s c -l cpu-shares -d 'Share of the processors where they are busy, from 2 to 262144 [default: 1024]' -r
complete -c rr -n "__fish_rr_using_subcommand run" -l cpus -d 'How many processors\' time it may use, such as 1.5' -r
complete -c rr -n "__fish_rr_using_subcommand run" -l cpuset-cpus -d 'Which processors it may use, such as 0-2,4' -r
complete -c rr -n "__fish_rr_using_subcommand run" -l cpuset-mems -d 'Which memory nodes it may use' -r
complete -c rr -n "__fish_rr_using_subcommand run" -s m -l memory -d 'How much memory it may use, at least 6m; -1 for no limit' -r
complete -c rr -n "__fish_rr_using_subcommand run" -l memory-reservation -d 'Memory that is left to it where memory is short' -r
complete -c rr -n "__fish_rr_using_subcommand run" -l memory-swap -d 'Memory and swap together; -1 for no limit of swap [default: twice --memory]' -r
complete -c rr -n "__fish_rr_using_subcommand run" -l pids-limit -d 'How many processes and threads it may have; -1 for no limit' -r
complete -c rr -n "__fish_rr_using_subcommand run" -l blkio-weight-device -d 'Share of one disk' -r
complete -c rr -n "__fish_rr_using_subcommand run" -l cgroup-parent -d 'Where the container\'s control group is to be: a group of your own, or a slice of your systemd' -r
complete -c rr -n "__fish_rr_using_subcommand run" -l device-read-bps -d 'Bytes a second read from a device' -r
complete -c rr -n "__fish_rr_using_subcommand run" -l device-read-iops -d 'Reads a second from a device' -r
complete -c rr -n "__fish_rr_using_subcommand run" -l device-write-bps -d 'Bytes a second written to a device' -r
complete -c rr -n "__fish_rr_using_subcommand run" -l device-write-iops -d 'Writes a second to a device' -r
complete -c rr -n "__fish_rr_using_subcommand run" -l memory-swappiness -d 'Accepted; no kernel with version 2 of control groups has it' -r
complete -c rr -n "__fish_rr_using_subcommand run" -l oom-kill-disable -d 'Accepted; no kernel with version 2 of control groups has it' -r
complete -c rr -n "__fish_rr_using_subcommand run" -l log-driver -d 'json-file or k8s-file (rr\'s own file), or none [default: json-file]' -r
complete -c rr -n "__fish_rr_using_subcommand run" -l log-opt -d 'Set max-size (bytes after which a new log file is begun) or max-file (how many are kept)' -r
complete -c rr -n "__fish_rr_using_subcommand run" -l mount -d 'Mount something (type=bind|volume|tmpfs,source=…,target=…)' -r
complete -c rr -n "__fish_rr_using_subcommand run" -l name -d 'Name the container' -r
complete -c rr -n "__fish_rr_using_subcommand run" -l add-host -d 'Add a line to /etc/hosts; `host-gateway` stands for the host\'s address' -r
complete -c rr -n "__fish_rr_using_subcommand run" -l dns -d 'Ask this name server instead of the host\'s' -r
complete -c rr -n "__fish_rr_using_subcommand run" -l dns-option -l dns-opt -d 'Set an option of resolv.conf(5)' -r
complete -c rr -n "__fish_rr_using_subcommand run" -l dns-search -d 'Set a search domain' -r
complete -c rr -n "__fish_rr_using_subcommand run" -l expose -d 'Note a port that the container listens on' -r
complete -c rr -n "__fish_rr_using_subcommand run" -l ip -d 'Give the container this IPv4 address' -r
complete -c rr -n "__fish_rr_using_subcommand run" -l ip6 -d 'Give the container this address of IPv6' -r
complete -c rr -n "__fish_rr_using_subcommand run" -l link -d 'Give another container of the first network a further name that this one finds it by' -r
complete -c rr -n "__fish_rr_using_subcommand run" -l mac-address -d 'Give the container\'s interface this hardware address' -r
complete -c rr -n "__fish_rr_using_subcommand run" -l network -l net -d 'A network by its name (and again for further ones), none, host, private (rr\'s own), pasta, slirp4netns, or container:NAME for the namespace of another container [default: private]' -r
complete -c rr -n "__fish_rr_using_subcommand run" -l network-alias -l net-alias -d 'Give the container another name on its networks' -r
complete -c rr -n "__fish_rr_using_subcommand run" -s p -l publish -d 'Publish a port of the container; HOST and CONTAINER may be ranges, and without HOST any free port is taken' -r
complete -c rr -n "__fish_rr_using_subcommand run" -l platform -d 'Choose the platform of a multi-platform image' -r
complete -c rr -n "__fish_rr_using_subcommand run" -l pull -d 'Pull the image: always, missing, never or newer [default: missing]' -r
complete -c rr -n "__fish_rr_using_subcommand run" -l read-only-tmpfs -d 'With --read-only, mount tmpfs on /run, /tmp and /var/tmp [default: as `podman` true, else false]' -r
complete -c rr -n "__fish_rr_using_subcommand run" -l restart -d 'no, on-failure[:COUNT], always or unless-stopped [default: no]' -r
complete -c rr -n "__fish_rr_using_subcommand run" -l rootfs -d 'Use a directory instead of an image; with `:O`, below an overlay that is thrown away' -r -F
complete -c rr -n "__fish_rr_using_subcommand run" -l security-opt -d 'no-new-privileges, seccomp=FILE|unconfined, systempaths=unconfined, mask=PATHS, unmask=PATHS|ALL, label=…, apparmor=…' -r
complete -c rr -n "__fish_rr_using_subcommand run" -l shm-size -d 'Size of /dev/shm [default: 64m]' -r
complete -c rr -n "__fish_rr_using_subcommand run" -l sig-proxy -d 'Forward signals to the container [default: true]' -r
complete -c rr -n "__fish_rr_using_subcommand run" -l stop-signal -d 'Signal that asks the container to stop' -r
complete -c rr -n "__fish_rr_using_subcommand run" -l stop-timeout -d 'Seconds between that signal and SIGKILL [default: 10]' -r
complete -c rr -n "__fish_rr_using_subcommand run" -l tmpfs -d 'Mount a tmpfs' -r
complete -c rr -n "__fish_rr_using_subcommand run" -l uidmap -d 'Map user ids: 0 of the host\'s side is the user, 1 the first subordinate id' -r
complete -c rr -n "__fish_rr_using_subcommand run" -l ulimit -d 'Set a resource limit' -r
complete -c rr -n "__fish_rr_using_subcommand run" -s u -l user -d 'User inside' -r
complete -c rr -n "__fish_rr_using_subcommand run" -l userns -d 'auto, host, keep-id[:uid=N,gid=N] or nomap [default: auto]' -r
complete -c rr -n "__fish_rr_using_subcommand run" -s v -l volume -d 'Mount a directory of the host or a volume' -r
complete -c rr -n "__fish_rr_using_subcommand run" -l volumes-from -d 'Mount the binds and volumes of another container as well' -r
complete -c rr -n "__fish_rr_using_subcommand run" -s w -l workdir -d 'Directory to start in' -r
complete -c rr -n "__fish_rr_using_subcommand run" -s d -l detach -d 'Leave the container running and print its id'
complete -c rr -n "__fish_rr_using_subcommand run" -l explain -d 'Tell each step of the start as it happens, with the system calls and their manual pages (rr\'s own)'
complete -c rr -n "__fish_rr_using_subcommand run" -l no-healthcheck -d 'Do not check the container\'s health, whatever the image says'
complete -c rr -n "__fish_rr_using_subcommand run" -l init -d 'Run rr as process 1, to forward signals and reap orphans'
complete -c rr -n "__fish_rr_using_subcommand run" -s i -l interactive -d 'Keep standard input open'
complete -c rr -n "__fish_rr_using_subcommand run" -s P -l publish-all -d 'Publish all exposed ports on free ports of the host'
complete -c rr -n "__fish_rr_using_subcommand run" -l privileged -d 'Give every capability of the user namespace, no system-call filter, no masked paths'
complete -c rr -n "__fish_rr_using_subcommand run" -s q -l quiet -d 'Print no progress of a pull'
complete -c rr -n "__fish_rr_using_subcommand run" -l read-only -d 'Mount the root file system read-only'
complete -c rr -n "__fish_rr_using_subcommand run" -l replace -d 'Remove a container that has the name, whatever it does'
complete -c rr -n "__fish_rr_using_subcommand run" -l rm -d 'Remove the container when it ends'
complete -c rr -n "__fish_rr_using_subcommand run" -l strict-ids -d 'Fail where a file of the image belongs to an id that is not mapped, instead of giving it to root'
complete -c rr -n "__fish_rr_using_subcommand run" -s t -l tty -d 'Give the container a terminal'
complete -c rr -n "__fish_rr_using_subcommand run" -l help -d 'Print help'
complete -c rr -n "__fish_rr_using_subcommand create" -l authfile -d 'The file of credentials to use' -r -F
complete -c rr -n "__fish_rr_using_subcommand create" -l tls-verify -d 'Insist on HTTPS and a valid certificate [default: what registries.conf says]' -r
complete -c rr -n "__fish_rr_using_subcommand create" -s a -l attach -d 'Attach only these of STDIN, STDOUT and STDERR' -r
complete -c rr -n "__fish_rr_using_subcommand create" -l cap-add -d 'Add a capability (ALL for every one)' -r
complete -c rr -n "__fish_rr_using_subcommand create" -l cap-drop -d 'Drop a capability (ALL for every one)' -r
complete -c rr -n "__fish_rr_using_subcommand create" -l cidfile -d 'Write the container\'s id into a new file' -r -F
complete -c rr -n "__fish_rr_using_subcommand create" -l detach-keys -d 'Keys that detach from the terminal [default: ctrl-p,ctrl-q]' -r
complete -c rr -n "__fish_rr_using_subcommand create" -l entrypoint -d 'Replace the image\'s entrypoint; an empty one resets it' -r
complete -c rr -n "__fish_rr_using_subcommand create" -s e -l env -d 'Set a variable; a name alone takes its value from rr\'s environment' -r
complete -c rr -n "__fish_rr_using_subcommand create" -l env-file -d 'Read variables from a file' -r -F
complete -c rr -n "__fish_rr_using_subcommand create" -l gidmap -d 'Map group ids (see --uidmap)' -r
complete -c rr -n "__fish_rr_using_subcommand create" -l group-add -d 'Add a supplementary group; keep-groups keeps the user\'s own' -r
complete -c rr -n "__fish_rr_using_subcommand create" -l health-cmd -d 'Check the container\'s health by this command: of a shell, a JSON array of words, or none' -r
complete -c rr -n "__fish_rr_using_subcommand create" -l health-interval -d 'Time between two checks [default: 30s]' -r
complete -c rr -n "__fish_rr_using_subcommand create" -l health-on-failure -d 'What to do when it is unhealthy: none, kill, restart or stop [default: none]' -r
complete -c rr -n "__fish_rr_using_subcommand create" -l health-retries -d 'Failures in a row that make it unhealthy [default: 3]' -r
complete -c rr -n "__fish_rr_using_subcommand create" -l health-start-interval -d 'Time between two checks in the start period [default: 5s]' -r
complete -c rr -n "__fish_rr_using_subcommand create" -l health-start-period -d 'Time from the start in which failures do not count [default: 0s]' -r
complete -c rr -n "__fish_rr_using_subcommand create" -l health-timeout -d 'Time that a check may take [default: 30s]' -r
complete -c rr -n "__fish_rr_using_subcommand create" -l cgroupns -d 'private, host or container:NAME [default: private]' -r
complete -c rr -n "__fish_rr_using_subcommand create" -l device -d 'Bind a device of the host, or all of a directory' -r
complete -c rr -n "__fish_rr_using_subcommand create" -l domainname -d 'Set the container\'s NIS domain name' -r
complete -c rr -n "__fish_rr_using_subcommand create" -l ipc -d 'private, shareable, none, host or container:NAME [default: private]' -r
complete -c rr -n "__fish_rr_using_subcommand create" -l isolation -d 'namespaces, chroot (the root directory alone), or auto: chroot only where root is refused namespaces [default: auto]' -r
complete -c rr -n "__fish_rr_using_subcommand create" -l oom-score-adj -d 'How readily the kernel ends it when memory is short, from -1000 to 1000' -r
complete -c rr -n "__fish_rr_using_subcommand create" -l pid -d 'private, or host to show the host\'s processes in /proc [default: private]' -r
complete -c rr -n "__fish_rr_using_subcommand create" -l sysctl -d 'Set a kernel setting of the container\'s own namespaces' -r
complete -c rr -n "__fish_rr_using_subcommand create" -l uts -d 'private, host or container:NAME [default: private]' -r
complete -c rr -n "__fish_rr_using_subcommand create" -s h -l hostname -d 'Set the container\'s host name' -r
complete -c rr -n "__fish_rr_using_subcommand create" -s l -l label -d 'Set a label' -r
complete -c rr -n "__fish_rr_using_subcommand create" -l label-file -d 'Read labels from a file' -r -F
complete -c rr -n "__fish_rr_using_subcommand create" -l blkio-weight -d 'Share of the disks where they are busy, from 10 to 1000' -r
complete -c rr -n "__fish_rr_using_subcommand create" -l cpu-period -d 'Length of the period that --cpu-quota is about [default: 100000]' -r
complete -c rr -n "__fish_rr_using_subcommand create" -l cpu-quota -d 'Processor time in each period; -1 for no limit' -r
complete -c rr -n "__fish_rr_using_subcommand create" -s c -l cpu-shares -d 'Share of the processors where they are busy, from 2 to 262144 [default: 1024]' -r
complete -c rr -n "__fish_rr_using_subcommand create" -l cpus -d 'How many processors\' time it may use, such as 1.5' -r
complete -c rr -n "__fish_rr_using_subcommand create" -l cpuset-cpus -d 'Which processors it may use, such as 0-2,4' -r
complete -c rr -n "__fish_rr_using_subcommand create" -l cpuset-mems -d 'Which memory nodes it may use' -r
complete -c rr -n "__fish_rr_using_subcommand create" -s m -l memory -d 'How much memory it may use, at least 6m; -1 for no limit' -r
complete -c rr -n "__fish_rr_using_subcommand create" -l memory-reservation -d 'Memory that is left to it where memory is short' -r
complete -c rr -n "__fish_rr_using_subcommand create" -l memory-swap -d 'Memory and swap together; -1 for no limit of swap [default: twice --memory]' -r
complete -c rr -n "__fish_rr_using_subcommand create" -l pids-limit -d 'How many processes and threads it may have; -1 for no limit' -r
complete -c rr -n "__fish_rr_using_subcommand create" -l blkio-weight-device -d 'Share of one disk' -r
complete -c rr -n "__fish_rr_using_subcommand create" -l cgroup-parent -d 'Where the container\'s control group is to be: a group of your own, or a slice of your systemd' -r
complete -c rr -n "__fish_rr_using_subcommand create" -l device-read-bps -d 'Bytes a second read from a device' -r
complete -c rr -n "__fish_rr_using_subcommand create" -l device-read-iops -d 'Reads a second from a device' -r
complete -c rr -n "__fish_rr_using_subcommand create" -l device-write-bps -d 'Bytes a second written to a device' -r
complete -c rr -n "__fish_rr_using_subcommand create" -l device-write-iops -d 'Writes a second to a device' -r
complete -c rr -n "__fish_rr_using_subcommand create" -l memory-swappiness -d 'Accepted; no kernel with version 2 of control groups has it' -r
complete -c rr -n "__fish_rr_using_subcommand create" -l oom-kill-disable -d 'Accepted; no kernel with version 2 of control groups has it' -r
complete -c rr -n "__fish_rr_using_subcommand create" -l log-driver -d 'json-file or k8s-file (rr\'s own file), or none [default: json-file]' -r
complete -c rr -n "__fish_rr_using_subcommand create" -l log-opt -d 'Set max-size (bytes after which a new log file is begun) or max-file (how many are kept)' -r
complete -c rr -n "__fish_rr_using_subcommand create" -l mount -d 'Mount something (type=bind|volume|tmpfs,source=…,target=…)' -r
complete -c rr -n "__fish_rr_using_subcommand create" -l name -d 'Name the container' -r
complete -c rr -n "__fish_rr_using_subcommand create" -l add-host -d 'Add a line to /etc/hosts; `host-gateway` stands for the host\'s address' -r
complete -c rr -n "__fish_rr_using_subcommand create" -l dns -d 'Ask this name server instead of the host\'s' -r
complete -c rr -n "__fish_rr_using_subcommand create" -l dns-option -l dns-opt -d 'Set an option of resolv.conf(5)' -r
complete -c rr -n "__fish_rr_using_subcommand create" -l dns-search -d 'Set a search domain' -r
complete -c rr -n "__fish_rr_using_subcommand create" -l expose -d 'Note a port that the container listens on' -r
complete -c rr -n "__fish_rr_using_subcommand create" -l ip -d 'Give the container this IPv4 address' -r
complete -c rr -n "__fish_rr_using_subcommand create" -l ip6 -d 'Give the container this address of IPv6' -r
complete -c rr -n "__fish_rr_using_subcommand create" -l link -d 'Give another container of the first network a further name that this one finds it by' -r
complete -c rr -n "__fish_rr_using_subcommand create" -l mac-address -d 'Give the container\'s interface this hardware address' -r
complete -c rr -n "__fish_rr_using_subcommand create" -l network -l net -d 'A network by its name (and again for further ones), none, host, private (rr\'s own), pasta, slirp4netns, or container:NAME for the namespace of another container [default: private]' -r
complete -c rr -n "__fish_rr_using_subcommand create" -l network-alias -l net-alias -d 'Give the container another name on its networks' -r
complete -c rr -n "__fish_rr_using_subcommand create" -s p -l publish -d 'Publish a port of the container; HOST and CONTAINER may be ranges, and without HOST any free port is taken' -r
complete -c rr -n "__fish_rr_using_subcommand create" -l platform -d 'Choose the platform of a multi-platform image' -r
complete -c rr -n "__fish_rr_using_subcommand create" -l pull -d 'Pull the image: always, missing, never or newer [default: missing]' -r
complete -c rr -n "__fish_rr_using_subcommand create" -l read-only-tmpfs -d 'With --read-only, mount tmpfs on /run, /tmp and /var/tmp [default: as `podman` true, else false]' -r
complete -c rr -n "__fish_rr_using_subcommand create" -l restart -d 'no, on-failure[:COUNT], always or unless-stopped [default: no]' -r
complete -c rr -n "__fish_rr_using_subcommand create" -l rootfs -d 'Use a directory instead of an image; with `:O`, below an overlay that is thrown away' -r -F
complete -c rr -n "__fish_rr_using_subcommand create" -l security-opt -d 'no-new-privileges, seccomp=FILE|unconfined, systempaths=unconfined, mask=PATHS, unmask=PATHS|ALL, label=…, apparmor=…' -r
complete -c rr -n "__fish_rr_using_subcommand create" -l shm-size -d 'Size of /dev/shm [default: 64m]' -r
complete -c rr -n "__fish_rr_using_subcommand create" -l sig-proxy -d 'Forward signals to the container [default: true]' -r
complete -c rr -n "__fish_rr_using_subcommand create" -l stop-signal -d 'Signal that asks the container to stop' -r
complete -c rr -n "__fish_rr_using_subcommand create" -l stop-timeout -d 'Seconds between that signal and SIGKILL [default: 10]' -r
complete -c rr -n "__fish_rr_using_subcommand create" -l tmpfs -d 'Mount a tmpfs' -r
complete -c rr -n "__fish_rr_using_subcommand create" -l uidmap -d 'Map user ids: 0 of the host\'s side is the user, 1 the first subordinate id' -r
complete -c rr -n "__fish_rr_using_subcommand create" -l ulimit -d 'Set a resource limit' -r
complete -c rr -n "__fish_rr_using_subcommand create" -s u -l user -d 'User inside' -r
complete -c rr -n "__fish_rr_using_subcommand create" -l userns -d 'auto, host, keep-id[:uid=N,gid=N] or nomap [default: auto]' -r
complete -c rr -n "__fish_rr_using_subcommand create" -s v -l volume -d 'Mount a directory of the host or a volume' -r
complete -c rr -n "__fish_rr_using_subcommand create" -l volumes-from -d 'Mount the binds and volumes of another container as well' -r
complete -c rr -n "__fish_rr_using_subcommand create" -s w -l workdir -d 'Directory to start in' -r
complete -c rr -n "__fish_rr_using_subcommand create" -l no-healthcheck -d 'Do not check the container\'s health, whatever the image says'
complete -c rr -n "__fish_rr_using_subcommand create" -l init -d 'Run rr as process 1, to forward signals and reap orphans'
complete -c rr -n "__fish_rr_using_subcommand create" -s i -l interactive -d 'Keep standard input open'
complete -c rr -n "__fish_rr_using_subcommand create" -s P -l publish-all -d 'Publish all exposed ports on free ports of the host'
complete -c rr -n "__fish_rr_using_subcommand create" -l privileged -d 'Give every capability of the user namespace, no system-call filter, no masked paths'
complete -c rr -n "__fish_rr_using_subcommand create" -s q -l quiet -d 'Print no progress of a pull'
complete -c rr -n "__fish_rr_using_subcommand create" -l read-only -d 'Mount the root file system read-only'
complete -c rr -n "__fish_rr_using_subcommand create" -l replace -d 'Remove a container that has the name, whatever it does'
complete -c rr -n "__fish_rr_using_subcommand create" -l rm -d 'Remove the container when it ends'
complete -c rr -n "__fish_rr_using_subcommand create" -l strict-ids -d 'Fail where a file of the image belongs to an id that is not mapped, instead of giving it to root'
complete -c rr -n "__fish_rr_using_subcommand create" -s t -l tty -d 'Give the container a terminal'
complete -c rr -n "__fish_rr_using_subcommand create" -l help -d 'Print help'
complete -c rr -n "__fish_rr_using_subcommand start" -l detach-keys -d 'Keys that detach from the terminal [default: ctrl-p,ctrl-q]' -r
complete -c rr -n "__fish_rr_using_subcommand start" -l sig-proxy -d 'Forward signals to the container [default: true]' -r
complete -c rr -n "__fish_rr_using_subcommand start" -l cidfile -d 'Containers whose ids stand in these files' -r -F
complete -c rr -n "__fish_rr_using_subcommand start" -l filter -d 'Containers that match, as with `ps --filter`' -r
complete -c rr -n "__fish_rr_using_subcommand start" -s a -l attach -d 'Attach output, forward signals, and exit as the container does'
complete -c rr -n "__fish_rr_using_subcommand start" -s i -l interactive -d 'Attach standard input as well'
complete -c rr -n "__fish_rr_using_subcommand start" -l all -d 'All containers it can be done to'
complete -c rr -n "__fish_rr_using_subcommand start" -s l -l latest -d 'The container that was made last'
complete -c rr -n "__fish_rr_using_subcommand start" -s h -l help -d 'Print help'
complete -c rr -n "__fish_rr_using_subcommand stop" -s s -l signal -d 'Signal that asks the containers to stop [default: the container\'s, TERM]' -r
complete -c rr -n "__fish_rr_using_subcommand stop" -s t -l time -l timeout -d 'Seconds to wait before killing [default: the container\'s, 10]' -r
complete -c rr -n "__fish_rr_using_subcommand stop" -l cidfile -d 'Containers whose ids stand in these files' -r -F
complete -c rr -n "__fish_rr_using_subcommand stop" -s f -l filter -d 'Containers that match, as with `ps --filter`' -r
complete -c rr -n "__fish_rr_using_subcommand stop" -s i -l ignore -d 'Pass over names that no container has'
complete -c rr -n "__fish_rr_using_subcommand stop" -s l -l latest -d 'The container that was made last'
complete -c rr -n "__fish_rr_using_subcommand stop" -s a -l all -d 'All containers it can be done to'
complete -c rr -n "__fish_rr_using_subcommand stop" -s h -l help -d 'Print help'
complete -c rr -n "__fish_rr_using_subcommand restart" -s s -l signal -d 'Signal that asks the containers to stop [default: the container\'s, TERM]' -r
complete -c rr -n "__fish_rr_using_subcommand restart" -s t -l time -l timeout -d 'Seconds to wait before killing [default: the container\'s, 10]' -r
complete -c rr -n "__fish_rr_using_subcommand restart" -l cidfile -d 'Containers whose ids stand in these files' -r -F
complete -c rr -n "__fish_rr_using_subcommand restart" -s f -l filter -d 'Containers that match, as with `ps --filter`' -r
complete -c rr -n "__fish_rr_using_subcommand restart" -l running -d 'With --all or --filter: only those that run'
complete -c rr -n "__fish_rr_using_subcommand restart" -s l -l latest -d 'The container that was made last'
complete -c rr -n "__fish_rr_using_subcommand restart" -s a -l all -d 'All containers it can be done to'
complete -c rr -n "__fish_rr_using_subcommand restart" -s h -l help -d 'Print help'
complete -c rr -n "__fish_rr_using_subcommand kill" -s s -l signal -d 'The signal, by name or number [default: KILL]' -r
complete -c rr -n "__fish_rr_using_subcommand kill" -l cidfile -d 'Containers whose ids stand in these files' -r -F
complete -c rr -n "__fish_rr_using_subcommand kill" -l filter -d 'Containers that match, as with `ps --filter`' -r
complete -c rr -n "__fish_rr_using_subcommand kill" -s l -l latest -d 'The container that was made last'
complete -c rr -n "__fish_rr_using_subcommand kill" -s a -l all -d 'All containers it can be done to'
complete -c rr -n "__fish_rr_using_subcommand kill" -s h -l help -d 'Print help'
complete -c rr -n "__fish_rr_using_subcommand wait" -l cidfile -d 'Containers whose ids stand in these files' -r -F
complete -c rr -n "__fish_rr_using_subcommand wait" -l filter -d 'Containers that match, as with `ps --filter`' -r
complete -c rr -n "__fish_rr_using_subcommand wait" -l ignore -d 'Pass over names that no container has'
complete -c rr -n "__fish_rr_using_subcommand wait" -l all -d 'All containers it can be done to'
complete -c rr -n "__fish_rr_using_subcommand wait" -s l -l latest -d 'The container that was made last'
complete -c rr -n "__fish_rr_using_subcommand wait" -s h -l help -d 'Print help'
complete -c rr -n "__fish_rr_using_subcommand attach" -l detach-keys -d 'Keys that detach from the terminal [default: ctrl-p,ctrl-q]' -r
complete -c rr -n "__fish_rr_using_subcommand attach" -l sig-proxy -d 'Forward signals to the container [default: true]' -r
complete -c rr -n "__fish_rr_using_subcommand attach" -l no-stdin -d 'Do not attach standard input'
complete -c rr -n "__fish_rr_using_subcommand attach" -s h -l help -d 'Print help'
complete -c rr -n "__fish_rr_using_subcommand exec" -l detach-keys -d 'Keys that detach from the terminal [default: ctrl-p,ctrl-q]' -r
complete -c rr -n "__fish_rr_using_subcommand exec" -s e -l env -d 'Set a variable; a name alone takes its value from rr\'s environment' -r
complete -c rr -n "__fish_rr_using_subcommand exec" -l env-file -d 'Read variables from a file' -r -F
complete -c rr -n "__fish_rr_using_subcommand exec" -s u -l user -d 'User inside [default: the container\'s]' -r
complete -c rr -n "__fish_rr_using_subcommand exec" -s w -l workdir -d 'Directory to start in [default: the container\'s]' -r
complete -c rr -n "__fish_rr_using_subcommand exec" -s d -l detach -d 'Leave the command running'
complete -c rr -n "__fish_rr_using_subcommand exec" -s i -l interactive -d 'Keep standard input open'
complete -c rr -n "__fish_rr_using_subcommand exec" -s l -l latest -d 'Take the newest container instead of a name'
complete -c rr -n "__fish_rr_using_subcommand exec" -l privileged -d 'Give every capability of the container\'s user namespace'
complete -c rr -n "__fish_rr_using_subcommand exec" -s t -l tty -d 'Give the command a terminal'
complete -c rr -n "__fish_rr_using_subcommand exec" -s h -l help -d 'Print help'
complete -c rr -n "__fish_rr_using_subcommand logs" -l since -d 'Only from this time on: RFC 3339, seconds since the epoch, or so long ago (42m, 1h30m)' -r
complete -c rr -n "__fish_rr_using_subcommand logs" -s n -l tail -d 'Only the last so many lines, or all [default: all]' -r
complete -c rr -n "__fish_rr_using_subcommand logs" -l until -d 'Only up to this time' -r
complete -c rr -n "__fish_rr_using_subcommand logs" -l details -d 'Put the log\'s extra attributes before each line; rr has none'
complete -c rr -n "__fish_rr_using_subcommand logs" -s f -l follow -d 'Go on until the container stops'
complete -c rr -n "__fish_rr_using_subcommand logs" -s t -l timestamps -d 'Put its time before each line'
complete -c rr -n "__fish_rr_using_subcommand logs" -s h -l help -d 'Print help'
complete -c rr -n "__fish_rr_using_subcommand pause" -s a -l all -d 'Pause all running containers'
complete -c rr -n "__fish_rr_using_subcommand pause" -s h -l help -d 'Print help'
complete -c rr -n "__fish_rr_using_subcommand unpause" -s a -l all -d 'Unpause all paused containers'
complete -c rr -n "__fish_rr_using_subcommand unpause" -s h -l help -d 'Print help'
complete -c rr -n "__fish_rr_using_subcommand top" -s l -l latest -d 'The container that was made last'
complete -c rr -n "__fish_rr_using_subcommand top" -s h -l help -d 'Print help'
complete -c rr -n "__fish_rr_using_subcommand explain" -l only -d 'Show these parts only' -r -f -a "namespaces\t'Which are the container\'s own'
ids\t'Who is who on both sides'
processes\t'Which process is which'
rights\t'Capabilities and system calls'
layers\t'What the root file system is stacked from'
mounts\t'What is mounted where, and why'
network\t'The way in and out'
limits\t'Control group and resource limits'"
complete -c rr -n "__fish_rr_using_subcommand explain" -l path -d 'Follow one file: where it lies on the host, whose it is, who may read and write it' -r -F
complete -c rr -n "__fish_rr_using_subcommand explain" -l as -d 'Who wants to read or write the file, as in `run --user` [default: whoever the container runs as]' -r
complete -c rr -n "__fish_rr_using_subcommand explain" -l id -d 'Tell what an id of a container will be on the host, and the other way round' -r
complete -c rr -n "__fish_rr_using_subcommand explain" -l userns -d 'How ids are mapped, as in `run`' -r
complete -c rr -n "__fish_rr_using_subcommand explain" -l uidmap -d 'Ids that are mapped, as in `run`' -r
complete -c rr -n "__fish_rr_using_subcommand explain" -l gidmap -d 'Group ids that are mapped, as in `run`' -r
complete -c rr -n "__fish_rr_using_subcommand explain" -l run -d 'Tell each step of the run that the rest of the line describes as for `rr run`, and start nothing' -r
complete -c rr -n "__fish_rr_using_subcommand explain" -l html -d 'Write one page with drawings into this file instead' -r -F
complete -c rr -n "__fish_rr_using_subcommand explain" -l json -d 'Print JSON'
complete -c rr -n "__fish_rr_using_subcommand explain" -s h -l help -d 'Print help'
complete -c rr -n "__fish_rr_using_subcommand stats" -l format -d '`table`, `table TEMPLATE`, `json` or a Go template' -r
complete -c rr -n "__fish_rr_using_subcommand stats" -s i -l interval -d 'Seconds between two looks [default: 1; as podman: 5]' -r
complete -c rr -n "__fish_rr_using_subcommand stats" -s a -l all -d 'Show all containers, not only the running ones'
complete -c rr -n "__fish_rr_using_subcommand stats" -s l -l latest -d 'The container that was made last'
complete -c rr -n "__fish_rr_using_subcommand stats" -l no-reset -d 'Do not clear the terminal in between'
complete -c rr -n "__fish_rr_using_subcommand stats" -l no-stream -d 'Look once, for a second'
complete -c rr -n "__fish_rr_using_subcommand stats" -l no-trunc -d 'Show whole ids'
complete -c rr -n "__fish_rr_using_subcommand stats" -s h -l help -d 'Print help'
complete -c rr -n "__fish_rr_using_subcommand rename" -s h -l help -d 'Print help'
complete -c rr -n "__fish_rr_using_subcommand diff" -l format -d '`json`: three lists' -r
complete -c rr -n "__fish_rr_using_subcommand diff" -s h -l help -d 'Print help'
complete -c rr -n "__fish_rr_using_subcommand commit" -s a -l author -d 'Who made it, such as `Ana <ana@example.org>`' -r
complete -c rr -n "__fish_rr_using_subcommand commit" -s c -l change -d 'Change the image by an instruction of Dockerfiles, such as `CMD ["sh"]`' -r
complete -c rr -n "__fish_rr_using_subcommand commit" -s f -l format -d 'Documents of the image: oci or docker' -r
complete -c rr -n "__fish_rr_using_subcommand commit" -l iidfile -d 'Write the image\'s id to a file' -r -F
complete -c rr -n "__fish_rr_using_subcommand commit" -s m -l message -d 'A comment for the image\'s history' -r
complete -c rr -n "__fish_rr_using_subcommand commit" -s p -l pause -d 'Stop the container\'s processes meanwhile [default: true]' -r
complete -c rr -n "__fish_rr_using_subcommand commit" -l include-volumes -d 'Make the targets of the container\'s mounts volumes of the image'
complete -c rr -n "__fish_rr_using_subcommand commit" -s q -l quiet -d 'Say nothing but the id'
complete -c rr -n "__fish_rr_using_subcommand commit" -s h -l help -d 'Print help'
complete -c rr -n "__fish_rr_using_subcommand export" -s o -l output -d 'Write to a file instead of standard output' -r -F
complete -c rr -n "__fish_rr_using_subcommand export" -s h -l help -d 'Print help'
complete -c rr -n "__fish_rr_using_subcommand update" -l blkio-weight -d 'Share of the disks where they are busy, from 10 to 1000' -r
complete -c rr -n "__fish_rr_using_subcommand update" -l cpu-period -d 'Length of the period that --cpu-quota is about [default: 100000]' -r
complete -c rr -n "__fish_rr_using_subcommand update" -l cpu-quota -d 'Processor time in each period; -1 for no limit' -r
complete -c rr -n "__fish_rr_using_subcommand update" -s c -l cpu-shares -d 'Share of the processors where they are busy, from 2 to 262144 [default: 1024]' -r
complete -c rr -n "__fish_rr_using_subcommand update" -l cpus -d 'How many processors\' time it may use, such as 1.5' -r
complete -c rr -n "__fish_rr_using_subcommand update" -l cpuset-cpus -d 'Which processors it may use, such as 0-2,4' -r
complete -c rr -n "__fish_rr_using_subcommand update" -l cpuset-mems -d 'Which memory nodes it may use' -r
complete -c rr -n "__fish_rr_using_subcommand update" -s m -l memory -d 'How much memory it may use, at least 6m; -1 for no limit' -r
complete -c rr -n "__fish_rr_using_subcommand update" -l memory-reservation -d 'Memory that is left to it where memory is short' -r
complete -c rr -n "__fish_rr_using_subcommand update" -l memory-swap -d 'Memory and swap together; -1 for no limit of swap [default: twice --memory]' -r
complete -c rr -n "__fish_rr_using_subcommand update" -l pids-limit -d 'How many processes and threads it may have; -1 for no limit' -r
complete -c rr -n "__fish_rr_using_subcommand update" -l restart -d 'no, on-failure[:COUNT], always or unless-stopped' -r
complete -c rr -n "__fish_rr_using_subcommand update" -s h -l help -d 'Print help'
complete -c rr -n "__fish_rr_using_subcommand ps" -s f -l filter -d 'Show only what matches: id, name, label, status, exited, ancestor, volume, network, before, since and more' -r
complete -c rr -n "__fish_rr_using_subcommand ps" -l format -d '`table`, `table TEMPLATE`, `json` or a Go template' -r
complete -c rr -n "__fish_rr_using_subcommand ps" -s n -l last -d 'Show the newest so many, whatever their state' -r
complete -c rr -n "__fish_rr_using_subcommand ps" -l sort -d 'Sort by command, created, id, image, names, runningfor or status' -r
complete -c rr -n "__fish_rr_using_subcommand ps" -s a -l all -d 'Show all containers, not only the running ones'
complete -c rr -n "__fish_rr_using_subcommand ps" -s l -l latest -d 'Show the newest, whatever its state'
complete -c rr -n "__fish_rr_using_subcommand ps" -l noheading -d 'Leave out the line of headers'
complete -c rr -n "__fish_rr_using_subcommand ps" -l no-trunc -d 'Show whole ids and commands'
complete -c rr -n "__fish_rr_using_subcommand ps" -s q -l quiet -d 'Show ids only'
complete -c rr -n "__fish_rr_using_subcommand ps" -s s -l size -d 'Show what each has written, and its size with its image'
complete -c rr -n "__fish_rr_using_subcommand ps" -s h -l help -d 'Print help'
complete -c rr -n "__fish_rr_using_subcommand port" -s h -l help -d 'Print help'
complete -c rr -n "__fish_rr_using_subcommand rm" -s t -l time -d 'With --force: seconds to let running containers stop by themselves before killing them' -r
complete -c rr -n "__fish_rr_using_subcommand rm" -l cidfile -d 'Containers whose ids stand in these files' -r -F
complete -c rr -n "__fish_rr_using_subcommand rm" -l filter -d 'Containers that match, as with `ps --filter`' -r
complete -c rr -n "__fish_rr_using_subcommand rm" -s f -l force -d 'Kill running containers first; one that does not exist is no failure'
complete -c rr -n "__fish_rr_using_subcommand rm" -s v -l volumes -d 'Remove the containers\' anonymous volumes as well'
complete -c rr -n "__fish_rr_using_subcommand rm" -s i -l ignore -d 'Pass over names that no container has'
complete -c rr -n "__fish_rr_using_subcommand rm" -s l -l latest -d 'The container that was made last'
complete -c rr -n "__fish_rr_using_subcommand rm" -s a -l all -d 'All containers it can be done to'
complete -c rr -n "__fish_rr_using_subcommand rm" -s h -l help -d 'Print help'
complete -c rr -n "__fish_rr_using_subcommand cp" -s a -l archive -d 'Keep owners and groups'
complete -c rr -n "__fish_rr_using_subcommand cp" -s L -l follow-link -d 'Copy what a link leads to rather than the link'
complete -c rr -n "__fish_rr_using_subcommand cp" -s q -l quiet -d 'Do not say what was copied'
complete -c rr -n "__fish_rr_using_subcommand cp" -s h -l help -d 'Print help'
complete -c rr -n "__fish_rr_using_subcommand build" -l authfile -d 'The file of credentials to use' -r -F
complete -c rr -n "__fish_rr_using_subcommand build" -l tls-verify -d 'Insist on HTTPS and a valid certificate [default: what registries.conf says]' -r
complete -c rr -n "__fish_rr_using_subcommand build" -l add-host -d 'Add a line to /etc/hosts of RUN\'s containers' -r
complete -c rr -n "__fish_rr_using_subcommand build" -l build-context -d 'A further place for COPY --from and FROM: a directory, or docker-image://NAME' -r
complete -c rr -n "__fish_rr_using_subcommand build" -l build-arg -d 'Set a variable that the Dockerfile declares by ARG; without a value, to that of the environment' -r
complete -c rr -n "__fish_rr_using_subcommand build" -l cache-from -d 'Ignored: what was built here before is found without being told where' -r
complete -c rr -n "__fish_rr_using_subcommand build" -l cache-to -d 'Ignored: what is built is remembered anyway' -r
complete -c rr -n "__fish_rr_using_subcommand build" -s f -l file -d 'The Dockerfile; `-` for standard input [default: Dockerfile, or Containerfile, of the context]' -r
complete -c rr -n "__fish_rr_using_subcommand build" -l format -d 'Documents of the image: oci or docker' -r
complete -c rr -n "__fish_rr_using_subcommand build" -l iidfile -d 'Write the image\'s id to a file' -r -F
complete -c rr -n "__fish_rr_using_subcommand build" -l label -d 'Set a label of the image' -r
complete -c rr -n "__fish_rr_using_subcommand build" -l network -d 'The network of RUN\'s containers: default, host or none' -r
complete -c rr -n "__fish_rr_using_subcommand build" -l platform -d 'Build for another platform' -r
complete -c rr -n "__fish_rr_using_subcommand build" -l progress -d 'How progress is shown: auto, plain, tty or quiet' -r
complete -c rr -n "__fish_rr_using_subcommand build" -l pull -d 'Ask the registry also for images that are here; or always, missing, never or newer' -r
complete -c rr -n "__fish_rr_using_subcommand build" -l rm -d 'Ignored: containers of RUN never outlive their step' -r
complete -c rr -n "__fish_rr_using_subcommand build" -l secret -d 'Give RUN --mount=type=secret a file or a variable: id=ID[,src=FILE|,env=NAME]' -r
complete -c rr -n "__fish_rr_using_subcommand build" -s t -l tag -d 'What the image is called' -r
complete -c rr -n "__fish_rr_using_subcommand build" -l target -d 'Build up to this stage' -r
complete -c rr -n "__fish_rr_using_subcommand build" -l force-rm -d 'Ignored: containers of RUN never outlive their step'
complete -c rr -n "__fish_rr_using_subcommand build" -l load -d 'Ignored: the image is in rr\'s store anyway'
complete -c rr -n "__fish_rr_using_subcommand build" -l no-cache -d 'Do each step anew'
complete -c rr -n "__fish_rr_using_subcommand build" -s q -l quiet -d 'Say nothing but the image\'s id'
complete -c rr -n "__fish_rr_using_subcommand build" -s h -l help -d 'Print help'
complete -c rr -n "__fish_rr_using_subcommand pull" -l authfile -d 'The file of credentials to use' -r -F
complete -c rr -n "__fish_rr_using_subcommand pull" -l tls-verify -d 'Insist on HTTPS and a valid certificate [default: what registries.conf says]' -r
complete -c rr -n "__fish_rr_using_subcommand pull" -l creds -d 'Credentials to use instead of those that are kept' -r
complete -c rr -n "__fish_rr_using_subcommand pull" -l platform -d 'Choose the platform of a multi-platform image' -r
complete -c rr -n "__fish_rr_using_subcommand pull" -s q -l quiet -d 'Print only the image\'s name'
complete -c rr -n "__fish_rr_using_subcommand pull" -l strict-ids -d 'Fail where a file belongs to an id that is not mapped, instead of giving it to root'
complete -c rr -n "__fish_rr_using_subcommand pull" -s h -l help -d 'Print help'
complete -c rr -n "__fish_rr_using_subcommand images" -s f -l filter -d 'Show only what matches: dangling, label, reference, id, before, since, until' -r
complete -c rr -n "__fish_rr_using_subcommand images" -l format -d '`table`, `table TEMPLATE`, `json` or a Go template' -r
complete -c rr -n "__fish_rr_using_subcommand images" -l sort -d 'Sort by created, id, repository, size or tag' -r
complete -c rr -n "__fish_rr_using_subcommand images" -s a -l all -d 'Show all images; rr keeps no intermediate ones, so this changes nothing'
complete -c rr -n "__fish_rr_using_subcommand images" -l digests -d 'Show digests'
complete -c rr -n "__fish_rr_using_subcommand images" -s n -l noheading -d 'Leave out the line of headers'
complete -c rr -n "__fish_rr_using_subcommand images" -l no-trunc -d 'Show whole ids'
complete -c rr -n "__fish_rr_using_subcommand images" -s q -l quiet -d 'Show ids only'
complete -c rr -n "__fish_rr_using_subcommand images" -s h -l help -d 'Print help'
complete -c rr -n "__fish_rr_using_subcommand push" -l authfile -d 'The file of credentials to use' -r -F
complete -c rr -n "__fish_rr_using_subcommand push" -l tls-verify -d 'Insist on HTTPS and a valid certificate [default: what registries.conf says]' -r
complete -c rr -n "__fish_rr_using_subcommand push" -l creds -d 'Credentials to use instead of those that are kept' -r
complete -c rr -n "__fish_rr_using_subcommand push" -l digestfile -d 'Write the manifest\'s digest to a file' -r -F
complete -c rr -n "__fish_rr_using_subcommand push" -s a -l all-tags -d 'Push all tags of a repository'
complete -c rr -n "__fish_rr_using_subcommand push" -s q -l quiet -d 'Say nothing but the image\'s name'
complete -c rr -n "__fish_rr_using_subcommand push" -s h -l help -d 'Print help'
complete -c rr -n "__fish_rr_using_subcommand login" -l authfile -d 'The file to keep them in' -r -F
complete -c rr -n "__fish_rr_using_subcommand login" -s p -l password -d 'Password; others can see it in the list of processes' -r
complete -c rr -n "__fish_rr_using_subcommand login" -l tls-verify -d 'Insist on HTTPS and a valid certificate [default: what registries.conf says]' -r
complete -c rr -n "__fish_rr_using_subcommand login" -s u -l username -d 'User name' -r
complete -c rr -n "__fish_rr_using_subcommand login" -l get-login -d 'Print the user that is logged in, and do nothing'
complete -c rr -n "__fish_rr_using_subcommand login" -l password-stdin -d 'Read the password from standard input'
complete -c rr -n "__fish_rr_using_subcommand login" -s v -l verbose -d 'Say where the credentials are kept'
complete -c rr -n "__fish_rr_using_subcommand login" -s h -l help -d 'Print help'
complete -c rr -n "__fish_rr_using_subcommand logout" -l authfile -d 'The file they are kept in' -r -F
complete -c rr -n "__fish_rr_using_subcommand logout" -s a -l all -d 'Forget those for all registries'
complete -c rr -n "__fish_rr_using_subcommand logout" -s h -l help -d 'Print help'
complete -c rr -n "__fish_rr_using_subcommand history" -l format -d '`table`, `table TEMPLATE`, `json` or a Go template' -r
complete -c rr -n "__fish_rr_using_subcommand history" -s H -l human -d 'Show sizes and times for people [default: true]' -r
complete -c rr -n "__fish_rr_using_subcommand history" -l no-trunc -d 'Show whole ids and commands'
complete -c rr -n "__fish_rr_using_subcommand history" -s q -l quiet -d 'Show ids only'
complete -c rr -n "__fish_rr_using_subcommand history" -s h -l help -d 'Print help'
complete -c rr -n "__fish_rr_using_subcommand import" -s c -l change -d 'Change the image by an instruction of Dockerfiles, such as `CMD ["sh"]`' -r
complete -c rr -n "__fish_rr_using_subcommand import" -s m -l message -d 'A comment for the image\'s history' -r
complete -c rr -n "__fish_rr_using_subcommand import" -l platform -d 'Whom the image is for, if not for machines like this' -r
complete -c rr -n "__fish_rr_using_subcommand import" -s q -l quiet -d 'Say nothing but the id'
complete -c rr -n "__fish_rr_using_subcommand import" -s h -l help -d 'Print help'
complete -c rr -n "__fish_rr_using_subcommand save" -l format -d 'docker-archive, oci-archive or oci-dir' -r
complete -c rr -n "__fish_rr_using_subcommand save" -s o -l output -d 'Write to a file or, with oci-dir, a directory instead of standard output' -r -F
complete -c rr -n "__fish_rr_using_subcommand save" -s m -l multi-image-archive -d 'Accepted for Podman\'s sake: any number of images can be saved'
complete -c rr -n "__fish_rr_using_subcommand save" -s q -l quiet -d 'Accepted for Podman\'s sake: nothing is said anyway'
complete -c rr -n "__fish_rr_using_subcommand save" -s h -l help -d 'Print help'
complete -c rr -n "__fish_rr_using_subcommand load" -s i -l input -d 'Read a file or a directory instead of standard input' -r -F
complete -c rr -n "__fish_rr_using_subcommand load" -l platform -d 'Choose the platform of a multi-platform image' -r
complete -c rr -n "__fish_rr_using_subcommand load" -s q -l quiet -d 'Show no progress'
complete -c rr -n "__fish_rr_using_subcommand load" -s h -l help -d 'Print help'
complete -c rr -n "__fish_rr_using_subcommand rmi" -s f -l force -d 'Remove images that stopped containers use, and all names of an id'
complete -c rr -n "__fish_rr_using_subcommand rmi" -l no-prune -d 'Accepted for Docker\'s sake: rr keeps no untagged parents'
complete -c rr -n "__fish_rr_using_subcommand rmi" -s h -l help -d 'Print help'
complete -c rr -n "__fish_rr_using_subcommand tag" -s h -l help -d 'Print help'
complete -c rr -n "__fish_rr_using_subcommand inspect" -s f -l format -d '`json` or a Go template, such as `{{.State.Status}}`' -r
complete -c rr -n "__fish_rr_using_subcommand inspect" -l type -d 'Look only among things of this type: container or image' -r
complete -c rr -n "__fish_rr_using_subcommand inspect" -s s -l size -d 'Measure what containers have written'
complete -c rr -n "__fish_rr_using_subcommand inspect" -s h -l help -d 'Print help'
complete -c rr -n "__fish_rr_using_subcommand events" -s f -l filter -d 'Only what matches: container, event, image, label, network, scope, type, volume' -r
complete -c rr -n "__fish_rr_using_subcommand events" -l format -d 'json or a Go template, such as `{{.Action}}`' -r
complete -c rr -n "__fish_rr_using_subcommand events" -l since -d 'Also what happened from this time on: RFC 3339, seconds since the epoch, or so long ago (42m, 1h30m)' -r
complete -c rr -n "__fish_rr_using_subcommand events" -l stream -d 'Go on when what has happened is printed [default: true]' -r
complete -c rr -n "__fish_rr_using_subcommand events" -l until -d 'Only up to this time, and end then' -r
complete -c rr -n "__fish_rr_using_subcommand events" -s h -l help -d 'Print help'
complete -c rr -n "__fish_rr_using_subcommand doctor" -l json -d 'Print JSON'
complete -c rr -n "__fish_rr_using_subcommand doctor" -s h -l help -d 'Print help'
complete -c rr -n "__fish_rr_using_subcommand info" -s f -l format -d '`json`, or a Go template such as `{{.Driver}}`' -r
complete -c rr -n "__fish_rr_using_subcommand info" -s h -l help -d 'Print help'
complete -c rr -n "__fish_rr_using_subcommand version" -s f -l format -d '`json`, or a Go template such as `{{.Server.APIVersion}}`' -r
complete -c rr -n "__fish_rr_using_subcommand version" -s h -l help -d 'Print help'
complete -c rr -n "__fish_rr_using_subcommand unshare" -s n -l net -d 'Interfaces, addresses and ports of its own; loopback is up (network_namespaces(7))'
complete -c rr -n "__fish_rr_using_subcommand unshare" -s p -l pid -d 'It is process 1, and all its processes end with it (pid_namespaces(7))'
complete -c rr -n "__fish_rr_using_subcommand unshare" -s u -l uts -d 'A host name of its own (uts_namespaces(7))'
complete -c rr -n "__fish_rr_using_subcommand unshare" -s i -l ipc -d 'System V objects and message queues of its own (ipc_namespaces(7))'
complete -c rr -n "__fish_rr_using_subcommand unshare" -s m -l mount -d 'Mounts of the host do not appear later, and with --pid /proc is fresh (mount_namespaces(7))'
complete -c rr -n "__fish_rr_using_subcommand unshare" -s C -l cgroup -d 'Its control group is the root of those it sees (cgroup_namespaces(7))'
complete -c rr -n "__fish_rr_using_subcommand unshare" -l mount-proc -d 'With --pid: /proc shows the processes of the new namespace'
complete -c rr -n "__fish_rr_using_subcommand unshare" -s f -l fork -d 'As --pid does'
complete -c rr -n "__fish_rr_using_subcommand unshare" -s U -l user -d 'As always'
complete -c rr -n "__fish_rr_using_subcommand unshare" -s r -l map-root-user -d 'As always'
complete -c rr -n "__fish_rr_using_subcommand unshare" -l kill-child -d 'As always with --pid'
complete -c rr -n "__fish_rr_using_subcommand unshare" -l rootless-netns -d 'Podman\'s, for a network namespace that containers share; rr has none'
complete -c rr -n "__fish_rr_using_subcommand unshare" -s h -l help -d 'Print help'
complete -c rr -n "__fish_rr_using_subcommand demo" -l image -d 'The image of the containers; it needs a shell' -r
complete -c rr -n "__fish_rr_using_subcommand demo" -l list -d 'List the chapters'
complete -c rr -n "__fish_rr_using_subcommand demo" -l no-pause -d 'Wait for no key, as for a recording'
complete -c rr -n "__fish_rr_using_subcommand demo" -l markdown -d 'Print the chapters as pages in Markdown'
complete -c rr -n "__fish_rr_using_subcommand demo" -s h -l help -d 'Print help'
complete -c rr -n "__fish_rr_using_subcommand completion" -s h -l help -d 'Print help'
complete -c rr -n "__fish_rr_using_subcommand man" -s h -l help -d 'Print help'
complete -c rr -n "__fish_rr_using_subcommand builder; and not __fish_seen_subcommand_from build prune" -f -a "build" -d 'Build an image from a Dockerfile'
complete -c rr -n "__fish_rr_using_subcommand builder; and not __fish_seen_subcommand_from build prune" -f -a "prune" -d 'Forget what builds have made'
complete -c rr -n "__fish_rr_using_subcommand builder; and __fish_seen_subcommand_from build" -l authfile -d 'The file of credentials to use' -r -F
complete -c rr -n "__fish_rr_using_subcommand builder; and __fish_seen_subcommand_from build" -l tls-verify -d 'Insist on HTTPS and a valid certificate [default: what registries.conf says]' -r
complete -c rr -n "__fish_rr_using_subcommand builder; and __fish_seen_subcommand_from build" -l add-host -d 'Add a line to /etc/hosts of RUN\'s containers' -r
complete -c rr -n "__fish_rr_using_subcommand builder; and __fish_seen_subcommand_from build" -l build-context -d 'A further place for COPY --from and FROM: a directory, or docker-image://NAME' -r
complete -c rr -n "__fish_rr_using_subcommand builder; and __fish_seen_subcommand_from build" -l build-arg -d 'Set a variable that the Dockerfile declares by ARG; without a value, to that of the environment' -r
complete -c rr -n "__fish_rr_using_subcommand builder; and __fish_seen_subcommand_from build" -l cache-from -d 'Ignored: what was built here before is found without being told where' -r
complete -c rr -n "__fish_rr_using_subcommand builder; and __fish_seen_subcommand_from build" -l cache-to -d 'Ignored: what is built is remembered anyway' -r
complete -c rr -n "__fish_rr_using_subcommand builder; and __fish_seen_subcommand_from build" -s f -l file -d 'The Dockerfile; `-` for standard input [default: Dockerfile, or Containerfile, of the context]' -r
complete -c rr -n "__fish_rr_using_subcommand builder; and __fish_seen_subcommand_from build" -l format -d 'Documents of the image: oci or docker' -r
complete -c rr -n "__fish_rr_using_subcommand builder; and __fish_seen_subcommand_from build" -l iidfile -d 'Write the image\'s id to a file' -r -F
complete -c rr -n "__fish_rr_using_subcommand builder; and __fish_seen_subcommand_from build" -l label -d 'Set a label of the image' -r
complete -c rr -n "__fish_rr_using_subcommand builder; and __fish_seen_subcommand_from build" -l network -d 'The network of RUN\'s containers: default, host or none' -r
complete -c rr -n "__fish_rr_using_subcommand builder; and __fish_seen_subcommand_from build" -l platform -d 'Build for another platform' -r
complete -c rr -n "__fish_rr_using_subcommand builder; and __fish_seen_subcommand_from build" -l progress -d 'How progress is shown: auto, plain, tty or quiet' -r
complete -c rr -n "__fish_rr_using_subcommand builder; and __fish_seen_subcommand_from build" -l pull -d 'Ask the registry also for images that are here; or always, missing, never or newer' -r
complete -c rr -n "__fish_rr_using_subcommand builder; and __fish_seen_subcommand_from build" -l rm -d 'Ignored: containers of RUN never outlive their step' -r
complete -c rr -n "__fish_rr_using_subcommand builder; and __fish_seen_subcommand_from build" -l secret -d 'Give RUN --mount=type=secret a file or a variable: id=ID[,src=FILE|,env=NAME]' -r
complete -c rr -n "__fish_rr_using_subcommand builder; and __fish_seen_subcommand_from build" -s t -l tag -d 'What the image is called' -r
complete -c rr -n "__fish_rr_using_subcommand builder; and __fish_seen_subcommand_from build" -l target -d 'Build up to this stage' -r
complete -c rr -n "__fish_rr_using_subcommand builder; and __fish_seen_subcommand_from build" -l force-rm -d 'Ignored: containers of RUN never outlive their step'
complete -c rr -n "__fish_rr_using_subcommand builder; and __fish_seen_subcommand_from build" -l load -d 'Ignored: the image is in rr\'s store anyway'
complete -c rr -n "__fish_rr_using_subcommand builder; and __fish_seen_subcommand_from build" -l no-cache -d 'Do each step anew'
complete -c rr -n "__fish_rr_using_subcommand builder; and __fish_seen_subcommand_from build" -s q -l quiet -d 'Say nothing but the image\'s id'
complete -c rr -n "__fish_rr_using_subcommand builder; and __fish_seen_subcommand_from build" -s h -l help -d 'Print help'
complete -c rr -n "__fish_rr_using_subcommand builder; and __fish_seen_subcommand_from prune" -s a -l all -d 'Ignored: everything is forgotten'
complete -c rr -n "__fish_rr_using_subcommand builder; and __fish_seen_subcommand_from prune" -s f -l force -d 'Do not ask'
complete -c rr -n "__fish_rr_using_subcommand builder; and __fish_seen_subcommand_from prune" -s h -l help -d 'Print help'
complete -c rr -n "__fish_rr_using_subcommand buildx; and not __fish_seen_subcommand_from build prune" -f -a "build" -d 'Build an image from a Dockerfile'
complete -c rr -n "__fish_rr_using_subcommand buildx; and not __fish_seen_subcommand_from build prune" -f -a "prune" -d 'Forget what builds have made'
complete -c rr -n "__fish_rr_using_subcommand buildx; and __fish_seen_subcommand_from build" -l authfile -d 'The file of credentials to use' -r -F
complete -c rr -n "__fish_rr_using_subcommand buildx; and __fish_seen_subcommand_from build" -l tls-verify -d 'Insist on HTTPS and a valid certificate [default: what registries.conf says]' -r
complete -c rr -n "__fish_rr_using_subcommand buildx; and __fish_seen_subcommand_from build" -l add-host -d 'Add a line to /etc/hosts of RUN\'s containers' -r
complete -c rr -n "__fish_rr_using_subcommand buildx; and __fish_seen_subcommand_from build" -l build-context -d 'A further place for COPY --from and FROM: a directory, or docker-image://NAME' -r
complete -c rr -n "__fish_rr_using_subcommand buildx; and __fish_seen_subcommand_from build" -l build-arg -d 'Set a variable that the Dockerfile declares by ARG; without a value, to that of the environment' -r
complete -c rr -n "__fish_rr_using_subcommand buildx; and __fish_seen_subcommand_from build" -l cache-from -d 'Ignored: what was built here before is found without being told where' -r
complete -c rr -n "__fish_rr_using_subcommand buildx; and __fish_seen_subcommand_from build" -l cache-to -d 'Ignored: what is built is remembered anyway' -r
complete -c rr -n "__fish_rr_using_subcommand buildx; and __fish_seen_subcommand_from build" -s f -l file -d 'The Dockerfile; `-` for standard input [default: Dockerfile, or Containerfile, of the context]' -r
complete -c rr -n "__fish_rr_using_subcommand buildx; and __fish_seen_subcommand_from build" -l format -d 'Documents of the image: oci or docker' -r
complete -c rr -n "__fish_rr_using_subcommand buildx; and __fish_seen_subcommand_from build" -l iidfile -d 'Write the image\'s id to a file' -r -F
complete -c rr -n "__fish_rr_using_subcommand buildx; and __fish_seen_subcommand_from build" -l label -d 'Set a label of the image' -r
complete -c rr -n "__fish_rr_using_subcommand buildx; and __fish_seen_subcommand_from build" -l network -d 'The network of RUN\'s containers: default, host or none' -r
complete -c rr -n "__fish_rr_using_subcommand buildx; and __fish_seen_subcommand_from build" -l platform -d 'Build for another platform' -r
complete -c rr -n "__fish_rr_using_subcommand buildx; and __fish_seen_subcommand_from build" -l progress -d 'How progress is shown: auto, plain, tty or quiet' -r
complete -c rr -n "__fish_rr_using_subcommand buildx; and __fish_seen_subcommand_from build" -l pull -d 'Ask the registry also for images that are here; or always, missing, never or newer' -r
complete -c rr -n "__fish_rr_using_subcommand buildx; and __fish_seen_subcommand_from build" -l rm -d 'Ignored: containers of RUN never outlive their step' -r
complete -c rr -n "__fish_rr_using_subcommand buildx; and __fish_seen_subcommand_from build" -l secret -d 'Give RUN --mount=type=secret a file or a variable: id=ID[,src=FILE|,env=NAME]' -r
complete -c rr -n "__fish_rr_using_subcommand buildx; and __fish_seen_subcommand_from build" -s t -l tag -d 'What the image is called' -r
complete -c rr -n "__fish_rr_using_subcommand buildx; and __fish_seen_subcommand_from build" -l target -d 'Build up to this stage' -r
complete -c rr -n "__fish_rr_using_subcommand buildx; and __fish_seen_subcommand_from build" -l force-rm -d 'Ignored: containers of RUN never outlive their step'
complete -c rr -n "__fish_rr_using_subcommand buildx; and __fish_seen_subcommand_from build" -l load -d 'Ignored: the image is in rr\'s store anyway'
complete -c rr -n "__fish_rr_using_subcommand buildx; and __fish_seen_subcommand_from build" -l no-cache -d 'Do each step anew'
complete -c rr -n "__fish_rr_using_subcommand buildx; and __fish_seen_subcommand_from build" -s q -l quiet -d 'Say nothing but the image\'s id'
complete -c rr -n "__fish_rr_using_subcommand buildx; and __fish_seen_subcommand_from build" -s h -l help -d 'Print help'
complete -c rr -n "__fish_rr_using_subcommand buildx; and __fish_seen_subcommand_from prune" -s a -l all -d 'Ignored: everything is forgotten'
complete -c rr -n "__fish_rr_using_subcommand buildx; and __fish_seen_subcommand_from prune" -s f -l force -d 'Do not ask'
complete -c rr -n "__fish_rr_using_subcommand buildx; and __fish_seen_subcommand_from prune" -s h -l help -d 'Print help'
complete -c rr -n "__fish_rr_using_subcommand container; and not __fish_seen_subcommand_from run create start stop restart kill wait attach exec logs pause unpause top explain stats rename diff commit export update ls exists port rm cp inspect prune" -f -a "run" -d 'Create and run a new container from an image'
complete -c rr -n "__fish_rr_using_subcommand container; and not __fish_seen_subcommand_from run create start stop restart kill wait attach exec logs pause unpause top explain stats rename diff commit export update ls exists port rm cp inspect prune" -f -a "create" -d 'Create a container, to be started later'
complete -c rr -n "__fish_rr_using_subcommand container; and not __fish_seen_subcommand_from run create start stop restart kill wait attach exec logs pause unpause top explain stats rename diff commit export update ls exists port rm cp inspect prune" -f -a "start" -d 'Start one or more stopped containers'
complete -c rr -n "__fish_rr_using_subcommand container; and not __fish_seen_subcommand_from run create start stop restart kill wait attach exec logs pause unpause top explain stats rename diff commit export update ls exists port rm cp inspect prune" -f -a "stop" -d 'Stop one or more running containers'
complete -c rr -n "__fish_rr_using_subcommand container; and not __fish_seen_subcommand_from run create start stop restart kill wait attach exec logs pause unpause top explain stats rename diff commit export update ls exists port rm cp inspect prune" -f -a "restart" -d 'Restart one or more containers'
complete -c rr -n "__fish_rr_using_subcommand container; and not __fish_seen_subcommand_from run create start stop restart kill wait attach exec logs pause unpause top explain stats rename diff commit export update ls exists port rm cp inspect prune" -f -a "kill" -d 'Send a signal to one or more running containers'
complete -c rr -n "__fish_rr_using_subcommand container; and not __fish_seen_subcommand_from run create start stop restart kill wait attach exec logs pause unpause top explain stats rename diff commit export update ls exists port rm cp inspect prune" -f -a "wait" -d 'Wait until one or more containers stop, then print their exit statuses'
complete -c rr -n "__fish_rr_using_subcommand container; and not __fish_seen_subcommand_from run create start stop restart kill wait attach exec logs pause unpause top explain stats rename diff commit export update ls exists port rm cp inspect prune" -f -a "attach" -d 'Attach to a running container'
complete -c rr -n "__fish_rr_using_subcommand container; and not __fish_seen_subcommand_from run create start stop restart kill wait attach exec logs pause unpause top explain stats rename diff commit export update ls exists port rm cp inspect prune" -f -a "exec" -d 'Execute a command in a running container'
complete -c rr -n "__fish_rr_using_subcommand container; and not __fish_seen_subcommand_from run create start stop restart kill wait attach exec logs pause unpause top explain stats rename diff commit export update ls exists port rm cp inspect prune" -f -a "logs" -d 'Print what a container has written'
complete -c rr -n "__fish_rr_using_subcommand container; and not __fish_seen_subcommand_from run create start stop restart kill wait attach exec logs pause unpause top explain stats rename diff commit export update ls exists port rm cp inspect prune" -f -a "pause" -d 'Stop every process of one or more containers'
complete -c rr -n "__fish_rr_using_subcommand container; and not __fish_seen_subcommand_from run create start stop restart kill wait attach exec logs pause unpause top explain stats rename diff commit export update ls exists port rm cp inspect prune" -f -a "unpause" -d 'Let the processes of one or more containers go on'
complete -c rr -n "__fish_rr_using_subcommand container; and not __fish_seen_subcommand_from run create start stop restart kill wait attach exec logs pause unpause top explain stats rename diff commit export update ls exists port rm cp inspect prune" -f -a "top" -d 'Show the processes of a container'
complete -c rr -n "__fish_rr_using_subcommand container; and not __fish_seen_subcommand_from run create start stop restart kill wait attach exec logs pause unpause top explain stats rename diff commit export update ls exists port rm cp inspect prune" -f -a "explain" -d 'Show a container from the host and from inside beside each other'
complete -c rr -n "__fish_rr_using_subcommand container; and not __fish_seen_subcommand_from run create start stop restart kill wait attach exec logs pause unpause top explain stats rename diff commit export update ls exists port rm cp inspect prune" -f -a "stats" -d 'Show what containers use, again and again'
complete -c rr -n "__fish_rr_using_subcommand container; and not __fish_seen_subcommand_from run create start stop restart kill wait attach exec logs pause unpause top explain stats rename diff commit export update ls exists port rm cp inspect prune" -f -a "rename" -d 'Rename a container'
complete -c rr -n "__fish_rr_using_subcommand container; and not __fish_seen_subcommand_from run create start stop restart kill wait attach exec logs pause unpause top explain stats rename diff commit export update ls exists port rm cp inspect prune" -f -a "diff" -d 'Show what a container has added (A), changed (C) and deleted (D)'
complete -c rr -n "__fish_rr_using_subcommand container; and not __fish_seen_subcommand_from run create start stop restart kill wait attach exec logs pause unpause top explain stats rename diff commit export update ls exists port rm cp inspect prune" -f -a "commit" -d 'Make an image of what a container has changed'
complete -c rr -n "__fish_rr_using_subcommand container; and not __fish_seen_subcommand_from run create start stop restart kill wait attach exec logs pause unpause top explain stats rename diff commit export update ls exists port rm cp inspect prune" -f -a "export" -d 'Write all files of a container to a tar archive'
complete -c rr -n "__fish_rr_using_subcommand container; and not __fish_seen_subcommand_from run create start stop restart kill wait attach exec logs pause unpause top explain stats rename diff commit export update ls exists port rm cp inspect prune" -f -a "update" -d 'Change limits and the restart policy of one or more containers'
complete -c rr -n "__fish_rr_using_subcommand container; and not __fish_seen_subcommand_from run create start stop restart kill wait attach exec logs pause unpause top explain stats rename diff commit export update ls exists port rm cp inspect prune" -f -a "ls" -d 'List containers'
complete -c rr -n "__fish_rr_using_subcommand container; and not __fish_seen_subcommand_from run create start stop restart kill wait attach exec logs pause unpause top explain stats rename diff commit export update ls exists port rm cp inspect prune" -f -a "exists" -d 'Tell by the exit status whether a container exists: 0 if it does, 1 if not, 125 where that cannot be told'
complete -c rr -n "__fish_rr_using_subcommand container; and not __fish_seen_subcommand_from run create start stop restart kill wait attach exec logs pause unpause top explain stats rename diff commit export update ls exists port rm cp inspect prune" -f -a "port" -d 'List the ports of a container that are published, or where one is'
complete -c rr -n "__fish_rr_using_subcommand container; and not __fish_seen_subcommand_from run create start stop restart kill wait attach exec logs pause unpause top explain stats rename diff commit export update ls exists port rm cp inspect prune" -f -a "rm" -d 'Remove one or more containers'
complete -c rr -n "__fish_rr_using_subcommand container; and not __fish_seen_subcommand_from run create start stop restart kill wait attach exec logs pause unpause top explain stats rename diff commit export update ls exists port rm cp inspect prune" -f -a "cp" -d 'Copy files between a container and the host'
complete -c rr -n "__fish_rr_using_subcommand container; and not __fish_seen_subcommand_from run create start stop restart kill wait attach exec logs pause unpause top explain stats rename diff commit export update ls exists port rm cp inspect prune" -f -a "inspect" -d 'Show everything about containers'
complete -c rr -n "__fish_rr_using_subcommand container; and not __fish_seen_subcommand_from run create start stop restart kill wait attach exec logs pause unpause top explain stats rename diff commit export update ls exists port rm cp inspect prune" -f -a "prune" -d 'Remove all containers that do not run'
complete -c rr -n "__fish_rr_using_subcommand container; and __fish_seen_subcommand_from run" -l authfile -d 'The file of credentials to use' -r -F
complete -c rr -n "__fish_rr_using_subcommand container; and __fish_seen_subcommand_from run" -l tls-verify -d 'Insist on HTTPS and a valid certificate [default: what registries.conf says]' -r
complete -c rr -n "__fish_rr_using_subcommand container; and __fish_seen_subcommand_from run" -s a -l attach -d 'Attach only these of STDIN, STDOUT and STDERR' -r
complete -c rr -n "__fish_rr_using_subcommand container; and __fish_seen_subcommand_from run" -l cap-add -d 'Add a capability (ALL for every one)' -r
complete -c rr -n "__fish_rr_using_subcommand container; and __fish_seen_subcommand_from run" -l cap-drop -d 'Drop a capability (ALL for every one)' -r
complete -c rr -n "__fish_rr_using_subcommand container; and __fish_seen_subcommand_from run" -l cidfile -d 'Write the container\'s id into a new file' -r -F
complete -c rr -n "__fish_rr_using_subcommand container; and __fish_seen_subcommand_from run" -l detach-keys -d 'Keys that detach from the terminal [default: ctrl-p,ctrl-q]' -r
complete -c rr -n "__fish_rr_using_subcommand container; and __fish_seen_subcommand_from run" -l entrypoint -d 'Replace the image\'s entrypoint; an empty one resets it' -r
complete -c rr -n "__fish_rr_using_subcommand container; and __fish_seen_subcommand_from run" -s e -l env -d 'Set a variable; a name alone takes its value from rr\'s environment' -r
complete -c rr -n "__fish_rr_using_subcommand container; and __fish_seen_subcommand_from run" -l env-file -d 'Read variables from a file' -r -F
complete -c rr -n "__fish_rr_using_subcommand container; and __fish_seen_subcommand_from run" -l gidmap -d 'Map group ids (see --uidmap)' -r
complete -c rr -n "__fish_rr_using_subcommand container; and __fish_seen_subcommand_from run" -l group-add -d 'Add a supplementary group; keep-groups keeps the user\'s own' -r
complete -c rr -n "__fish_rr_using_subcommand container; and __fish_seen_subcommand_from run" -l health-cmd -d 'Check the container\'s health by this command: of a shell, a JSON array of words, or none' -r
complete -c rr -n "__fish_rr_using_subcommand container; and __fish_seen_subcommand_from run" -l health-interval -d 'Time between two checks [default: 30s]' -r
complete -c rr -n "__fish_rr_using_subcommand container; and __fish_seen_subcommand_from run" -l health-on-failure -d 'What to do when it is unhealthy: none, kill, restart or stop [default: none]' -r
complete -c rr -n "__fish_rr_using_subcommand container; and __fish_seen_subcommand_from run" -l health-retries -d 'Failures in a row that make it unhealthy [default: 3]' -r
complete -c rr -n "__fish_rr_using_subcommand container; and __fish_seen_subcommand_from run" -l health-start-interval -d 'Time between two checks in the start period [default: 5s]' -r
complete -c rr -n "__fish_rr_using_subcommand container; and __fish_seen_subcommand_from run" -l health-start-period -d 'Time from the start in which failures do not count [default: 0s]' -r
complete -c rr -n "__fish_rr_using_subcommand container; and __fish_seen_subcommand_from run" -l health-timeout -d 'Time that a check may take [default: 30s]' -r
complete -c rr -n "__fish_rr_using_subcommand container; and __fish_seen_subcommand_from run" -l cgroupns -d 'private, host or container:NAME [default: private]' -r
complete -c rr -n "__fish_rr_using_subcommand container; and __fish_seen_subcommand_from run" -l device -d 'Bind a device of the host, or all of a directory' -r
complete -c rr -n "__fish_rr_using_subcommand container; and __fish_seen_subcommand_from run" -l domainname -d 'Set the container\'s NIS domain name' -r
complete -c rr -n "__fish_rr_using_subcommand container; and __fish_seen_subcommand_from run" -l ipc -d 'private, shareable, none, host or container:NAME [default: private]' -r
complete -c rr -n "__fish_rr_using_subcommand container; and __fish_seen_subcommand_from run" -l isolation -d 'namespaces, chroot (the root directory alone), or auto: chroot only where root is refused namespaces [default: auto]' -r
complete -c rr -n "__fish_rr_using_subcommand container; and __fish_seen_subcommand_from run" -l oom-score-adj -d 'How readily the kernel ends it when memory is short, from -1000 to 1000' -r
complete -c rr -n "__fish_rr_using_subcommand container; and __fish_seen_subcommand_from run" -l pid -d 'private, or host to show the host\'s processes in /proc [default: private]' -r
complete -c rr -n "__fish_rr_using_subcommand container; and __fish_seen_subcommand_from run" -l sysctl -d 'Set a kernel setting of the container\'s own namespaces' -r
complete -c rr -n "__fish_rr_using_subcommand container; and __fish_seen_subcommand_from run" -l uts -d 'private, host or container:NAME [default: private]' -r
complete -c rr -n "__fish_rr_using_subcommand container; and __fish_seen_subcommand_from run" -s h -l hostname -d 'Set the container\'s host name' -r
complete -c rr -n "__fish_rr_using_subcommand container; and __fish_seen_subcommand_from run" -s l -l label -d 'Set a label' -r
complete -c rr -n "__fish_rr_using_subcommand container; and __fish_seen_subcommand_from run" -l label-file -d 'Read labels from a file' -r -F
complete -c rr -n "__fish_rr_using_subcommand container; and __fish_seen_subcommand_from run" -l blkio-weight -d 'Share of the disks where they are busy, from 10 to 1000' -r
complete -c rr -n "__fish_rr_using_subcommand container; and __fish_seen_subcommand_from run" -l cpu-period -d 'Length of the period that --cpu-quota is about [default: 100000]' -r
complete -c rr -n "__fish_rr_using_subcommand container; and __fish_seen_subcommand_from run" -l cpu-quota -d 'Processor time in each period; -1 for no limit' -r
complete -c rr -n "__fish_rr_using_subcommand container; and __fish_seen_subcommand_from run" -s c -l cpu-shares -d 'Share of the processors where they are busy, from 2 to 262144 [default: 1024]' -r
complete -c rr -n "__fish_rr_using_subcommand container; and __fish_seen_subcommand_from run" -l cpus -d 'How many processors\' time it may use, such as 1.5' -r
complete -c rr -n "__fish_rr_using_subcommand container; and __fish_seen_subcommand_from run" -l cpuset-cpus -d 'Which processors it may use, such as 0-2,4' -r
complete -c rr -n "__fish_rr_using_subcommand container; and __fish_seen_subcommand_from run" -l cpuset-mems -d 'Which memory nodes it may use' -r
complete -c rr -n "__fish_rr_using_subcommand container; and __fish_seen_subcommand_from run" -s m -l memory -d 'How much memory it may use, at least 6m; -1 for no limit' -r
complete -c rr -n "__fish_rr_using_subcommand container; and __fish_seen_subcommand_from run" -l memory-reservation -d 'Memory that is left to it where memory is short' -r
complete -c rr -n "__fish_rr_using_subcommand container; and __fish_seen_subcommand_from run" -l memory-swap -d 'Memory and swap together; -1 for no limit of swap [default: twice --memory]' -r
complete -c rr -n "__fish_rr_using_subcommand container; and __fish_seen_subcommand_from run" -l pids-limit -d 'How many processes and threads it may have; -1 for no limit' -r
complete -c rr -n "__fish_rr_using_subcommand container; and __fish_seen_subcommand_from run" -l blkio-weight-device -d 'Share of one disk' -r
complete -c rr -n "__fish_rr_using_subcommand container; and __fish_seen_subcommand_from run" -l cgroup-parent -d 'Where the container\'s control group is to be: a group of your own, or a slice of your systemd' -r
complete -c rr -n "__fish_rr_using_subcommand container; and __fish_seen_subcommand_from run" -l device-read-bps -d 'Bytes a second read from a device' -r
complete -c rr -n "__fish_rr_using_subcommand container; and __fish_seen_subcommand_from run" -l device-read-iops -d 'Reads a second from a device' -r
complete -c rr -n "__fish_rr_using_subcommand container; and __fish_seen_subcommand_from run" -l device-write-bps -d 'Bytes a second written to a device' -r
complete -c rr -n "__fish_rr_using_subcommand container; and __fish_seen_subcommand_from run" -l device-write-iops -d 'Writes a second to a device' -r
complete -c rr -n "__fish_rr_using_subcommand container; and __fish_seen_subcommand_from run" -l memory-swappiness -d 'Accepted; no kernel with version 2 of control groups has it' -r
complete -c rr -n "__fish_rr_using_subcommand container; and __fish_seen_subcommand_from run" -l oom-kill-disable -d 'Accepted; no kernel with version 2 of control groups has it' -r
complete -c rr -n "__fish_rr_using_subcommand container; and __fish_seen_subcommand_from run" -l log-driver -d 'json-file or k8s-file (rr\'s own file), or none [default: json-file]' -r
complete -c rr -n "__fish_rr_using_subcommand container; and __fish_seen_subcommand_from run" -l log-opt -d 'Set max-size (bytes after which a new log file is begun) or max-file (how many are kept)' -r
complete -c rr -n "__fish_rr_using_subcommand container; and __fish_seen_subcommand_from run" -l mount -d 'Mount something (type=bind|volume|tmpfs,source=…,target=…)' -r
complete -c rr -n "__fish_rr_using_subcommand container; and __fish_seen_subcommand_from run" -l name -d 'Name the container' -r
complete -c rr -n "__fish_rr_using_subcommand container; and __fish_seen_subcommand_from run" -l add-host -d 'Add a line to /etc/hosts; `host-gateway` stands for the host\'s address' -r
complete -c rr -n "__fish_rr_using_subcommand container; and __fish_seen_subcommand_from run" -l dns -d 'Ask this name server instead of the host\'s' -r
complete -c rr -n "__fish_rr_using_subcommand container; and __fish_seen_subcommand_from run" -l dns-option -l dns-opt -d 'Set an option of resolv.conf(5)' -r
complete -c rr -n "__fish_rr_using_subcommand container; and __fish_seen_subcommand_from run" -l dns-search -d 'Set a search domain' -r
complete -c rr -n "__fish_rr_using_subcommand container; and __fish_seen_subcommand_from run" -l expose -d 'Note a port that the container listens on' -r
complete -c rr -n "__fish_rr_using_subcommand container; and __fish_seen_subcommand_from run" -l ip -d 'Give the container this IPv4 address' -r
complete -c rr -n "__fish_rr_using_subcommand container; and __fish_seen_subcommand_from run" -l ip6 -d 'Give the container this address of IPv6' -r
complete -c rr -n "__fish_rr_using_subcommand container; and __fish_seen_subcommand_from run" -l link -d 'Give another container of the first network a further name that this one finds it by' -r
complete -c rr -n "__fish_rr_using_subcommand container; and __fish_seen_subcommand_from run" -l mac-address -d 'Give the container\'s interface this hardware address' -r
complete -c rr -n "__fish_rr_using_subcommand container; and __fish_seen_subcommand_from run" -l network -l net -d 'A network by its name (and again for further ones), none, host, private (rr\'s own), pasta, slirp4netns, or container:NAME for the namespace of another container [default: private]' -r
complete -c rr -n "__fish_rr_using_subcommand container; and __fish_seen_subcommand_from run" -l network-alias -l net-alias -d 'Give the container another name on its networks' -r
complete -c rr -n "__fish_rr_using_subcommand container; and __fish_seen_subcommand_from run" -s p -l publish -d 'Publish a port of the container; HOST and CONTAINER may be ranges, and without HOST any free port is taken' -r
complete -c rr -n "__fish_rr_using_subcommand container; and __fish_seen_subcommand_from run" -l platform -d 'Choose the platform of a multi-platform image' -r
complete -c rr -n "__fish_rr_using_subcommand container; and __fish_seen_subcommand_from run" -l pull -d 'Pull the image: always, missing, never or newer [default: missing]' -r
complete -c rr -n "__fish_rr_using_subcommand container; and __fish_seen_subcommand_from run" -l read-only-tmpfs -d 'With --read-only, mount tmpfs on /run, /tmp and /var/tmp [default: as `podman` true, else false]' -r
complete -c rr -n "__fish_rr_using_subcommand container; and __fish_seen_subcommand_from run" -l restart -d 'no, on-failure[:COUNT], always or unless-stopped [default: no]' -r
complete -c rr -n "__fish_rr_using_subcommand container; and __fish_seen_subcommand_from run" -l rootfs -d 'Use a directory instead of an image; with `:O`, below an overlay that is thrown away' -r -F
complete -c rr -n "__fish_rr_using_subcommand container; and __fish_seen_subcommand_from run" -l security-opt -d 'no-new-privileges, seccomp=FILE|unconfined, systempaths=unconfined, mask=PATHS, unmask=PATHS|ALL, label=…, apparmor=…' -r
complete -c rr -n "__fish_rr_using_subcommand container; and __fish_seen_subcommand_from run" -l shm-size -d 'Size of /dev/shm [default: 64m]' -r
complete -c rr -n "__fish_rr_using_subcommand container; and __fish_seen_subcommand_from run" -l sig-proxy -d 'Forward signals to the container [default: true]' -r
complete -c rr -n "__fish_rr_using_subcommand container; and __fish_seen_subcommand_from run" -l stop-signal -d 'Signal that asks the container to stop' -r
complete -c rr -n "__fish_rr_using_subcommand container; and __fish_seen_subcommand_from run" -l stop-timeout -d 'Seconds between that signal and SIGKILL [default: 10]' -r
complete -c rr -n "__fish_rr_using_subcommand container; and __fish_seen_subcommand_from run" -l tmpfs -d 'Mount a tmpfs' -r
complete -c rr -n "__fish_rr_using_subcommand container; and __fish_seen_subcommand_from run" -l uidmap -d 'Map user ids: 0 of the host\'s side is the user, 1 the first subordinate id' -r
complete -c rr -n "__fish_rr_using_subcommand container; and __fish_seen_subcommand_from run" -l ulimit -d 'Set a resource limit' -r
complete -c rr -n "__fish_rr_using_subcommand container; and __fish_seen_subcommand_from run" -s u -l user -d 'User inside' -r
complete -c rr -n "__fish_rr_using_subcommand container; and __fish_seen_subcommand_from run" -l userns -d 'auto, host, keep-id[:uid=N,gid=N] or nomap [default: auto]' -r
complete -c rr -n "__fish_rr_using_subcommand container; and __fish_seen_subcommand_from run" -s v -l volume -d 'Mount a directory of the host or a volume' -r
complete -c rr -n "__fish_rr_using_subcommand container; and __fish_seen_subcommand_from run" -l volumes-from -d 'Mount the binds and volumes of another container as well' -r
complete -c rr -n "__fish_rr_using_subcommand container; and __fish_seen_subcommand_from run" -s w -l workdir -d 'Directory to start in' -r
complete -c rr -n "__fish_rr_using_subcommand container; and __fish_seen_subcommand_from run" -s d -l detach -d 'Leave the container running and print its id'
complete -c rr -n "__fish_rr_using_subcommand container; and __fish_seen_subcommand_from run" -l explain -d 'Tell each step of the start as it happens, with the system calls and their manual pages (rr\'s own)'
complete -c rr -n "__fish_rr_using_subcommand container; and __fish_seen_subcommand_from run" -l no-healthcheck -d 'Do not check the container\'s health, whatever the image says'
complete -c rr -n "__fish_rr_using_subcommand container; and __fish_seen_subcommand_from run" -l init -d 'Run rr as process 1, to forward signals and reap orphans'
complete -c rr -n "__fish_rr_using_subcommand container; and __fish_seen_subcommand_from run" -s i -l interactive -d 'Keep standard input open'
complete -c rr -n "__fish_rr_using_subcommand container; and __fish_seen_subcommand_from run" -s P -l publish-all -d 'Publish all exposed ports on free ports of the host'
complete -c rr -n "__fish_rr_using_subcommand container; and __fish_seen_subcommand_from run" -l privileged -d 'Give every capability of the user namespace, no system-call filter, no masked paths'
complete -c rr -n "__fish_rr_using_subcommand container; and __fish_seen_subcommand_from run" -s q -l quiet -d 'Print no progress of a pull'
complete -c rr -n "__fish_rr_using_subcommand container; and __fish_seen_subcommand_from run" -l read-only -d 'Mount the root file system read-only'
complete -c rr -n "__fish_rr_using_subcommand container; and __fish_seen_subcommand_from run" -l replace -d 'Remove a container that has the name, whatever it does'
complete -c rr -n "__fish_rr_using_subcommand container; and __fish_seen_subcommand_from run" -l rm -d 'Remove the container when it ends'
complete -c rr -n "__fish_rr_using_subcommand container; and __fish_seen_subcommand_from run" -l strict-ids -d 'Fail where a file of the image belongs to an id that is not mapped, instead of giving it to root'
complete -c rr -n "__fish_rr_using_subcommand container; and __fish_seen_subcommand_from run" -s t -l tty -d 'Give the container a terminal'
complete -c rr -n "__fish_rr_using_subcommand container; and __fish_seen_subcommand_from run" -l help -d 'Print help'
complete -c rr -n "__fish_rr_using_subcommand container; and __fish_seen_subcommand_from create" -l authfile -d 'The file of credentials to use' -r -F
complete -c rr -n "__fish_rr_using_subcommand container; and __fish_seen_subcommand_from create" -l tls-verify -d 'Insist on HTTPS and a valid certificate [default: what registries.conf says]' -r
complete -c rr -n "__fish_rr_using_subcommand container; and __fish_seen_subcommand_from create" -s a -l attach -d 'Attach only these of STDIN, STDOUT and STDERR' -r
complete -c rr -n "__fish_rr_using_subcommand container; and __fish_seen_subcommand_from create" -l cap-add -d 'Add a capability (ALL for every one)' -r
complete -c rr -n "__fish_rr_using_subcommand container; and __fish_seen_subcommand_from create" -l cap-drop -d 'Drop a capability (ALL for every one)' -r
complete -c rr -n "__fish_rr_using_subcommand container; and __fish_seen_subcommand_from create" -l cidfile -d 'Write the container\'s id into a new file' -r -F
complete -c rr -n "__fish_rr_using_subcommand container; and __fish_seen_subcommand_from create" -l detach-keys -d 'Keys that detach from the terminal [default: ctrl-p,ctrl-q]' -r
complete -c rr -n "__fish_rr_using_subcommand container; and __fish_seen_subcommand_from create" -l entrypoint -d 'Replace the image\'s entrypoint; an empty one resets it' -r
complete -c rr -n "__fish_rr_using_subcommand container; and __fish_seen_subcommand_from create" -s e -l env -d 'Set a variable; a name alone takes its value from rr\'s environment' -r
complete -c rr -n "__fish_rr_using_subcommand container; and __fish_seen_subcommand_from create" -l env-file -d 'Read variables from a file' -r -F
complete -c rr -n "__fish_rr_using_subcommand container; and __fish_seen_subcommand_from create" -l gidmap -d 'Map group ids (see --uidmap)' -r
complete -c rr -n "__fish_rr_using_subcommand container; and __fish_seen_subcommand_from create" -l group-add -d 'Add a supplementary group; keep-groups keeps the user\'s own' -r
complete -c rr -n "__fish_rr_using_subcommand container; and __fish_seen_subcommand_from create" -l health-cmd -d 'Check the container\'s health by this command: of a shell, a JSON array of words, or none' -r
complete -c rr -n "__fish_rr_using_subcommand container; and __fish_seen_subcommand_from create" -l health-interval -d 'Time between two checks [default: 30s]' -r
complete -c rr -n "__fish_rr_using_subcommand container; and __fish_seen_subcommand_from create" -l health-on-failure -d 'What to do when it is unhealthy: none, kill, restart or stop [default: none]' -r
complete -c rr -n "__fish_rr_using_subcommand container; and __fish_seen_subcommand_from create" -l health-retries -d 'Failures in a row that make it unhealthy [default: 3]' -r
complete -c rr -n "__fish_rr_using_subcommand container; and __fish_seen_subcommand_from create" -l health-start-interval -d 'Time between two checks in the start period [default: 5s]' -r
complete -c rr -n "__fish_rr_using_subcommand container; and __fish_seen_subcommand_from create" -l health-start-period -d 'Time from the start in which failures do not count [default: 0s]' -r
complete -c rr -n "__fish_rr_using_subcommand container; and __fish_seen_subcommand_from create" -l health-timeout -d 'Time that a check may take [default: 30s]' -r
complete -c rr -n "__fish_rr_using_subcommand container; and __fish_seen_subcommand_from create" -l cgroupns -d 'private, host or container:NAME [default: private]' -r
complete -c rr -n "__fish_rr_using_subcommand container; and __fish_seen_subcommand_from create" -l device -d 'Bind a device of the host, or all of a directory' -r
complete -c rr -n "__fish_rr_using_subcommand container; and __fish_seen_subcommand_from create" -l domainname -d 'Set the container\'s NIS domain name' -r
complete -c rr -n "__fish_rr_using_subcommand container; and __fish_seen_subcommand_from create" -l ipc -d 'private, shareable, none, host or container:NAME [default: private]' -r
complete -c rr -n "__fish_rr_using_subcommand container; and __fish_seen_subcommand_from create" -l isolation -d 'namespaces, chroot (the root directory alone), or auto: chroot only where root is refused namespaces [default: auto]' -r
complete -c rr -n "__fish_rr_using_subcommand container; and __fish_seen_subcommand_from create" -l oom-score-adj -d 'How readily the kernel ends it when memory is short, from -1000 to 1000' -r
complete -c rr -n "__fish_rr_using_subcommand container; and __fish_seen_subcommand_from create" -l pid -d 'private, or host to show the host\'s processes in /proc [default: private]' -r
complete -c rr -n "__fish_rr_using_subcommand container; and __fish_seen_subcommand_from create" -l sysctl -d 'Set a kernel setting of the container\'s own namespaces' -r
complete -c rr -n "__fish_rr_using_subcommand container; and __fish_seen_subcommand_from create" -l uts -d 'private, host or container:NAME [default: private]' -r
complete -c rr -n "__fish_rr_using_subcommand container; and __fish_seen_subcommand_from create" -s h -l hostname -d 'Set the container\'s host name' -r
complete -c rr -n "__fish_rr_using_subcommand container; and __fish_seen_subcommand_from create" -s l -l label -d 'Set a label' -r
complete -c rr -n "__fish_rr_using_subcommand container; and __fish_seen_subcommand_from create" -l label-file -d 'Read labels from a file' -r -F
complete -c rr -n "__fish_rr_using_subcommand container; and __fish_seen_subcommand_from create" -l blkio-weight -d 'Share of the disks where they are busy, from 10 to 1000' -r
complete -c rr -n "__fish_rr_using_subcommand container; and __fish_seen_subcommand_from create" -l cpu-period -d 'Length of the period that --cpu-quota is about [default: 100000]' -r
complete -c rr -n "__fish_rr_using_subcommand container; and __fish_seen_subcommand_from create" -l cpu-quota -d 'Processor time in each period; -1 for no limit' -r
complete -c rr -n "__fish_rr_using_subcommand container; and __fish_seen_subcommand_from create" -s c -l cpu-shares -d 'Share of the processors where they are busy, from 2 to 262144 [default: 1024]' -r
complete -c rr -n "__fish_rr_using_subcommand container; and __fish_seen_subcommand_from create" -l cpus -d 'How many processors\' time it may use, such as 1.5' -r
complete -c rr -n "__fish_rr_using_subcommand container; and __fish_seen_subcommand_from create" -l cpuset-cpus -d 'Which processors it may use, such as 0-2,4' -r
complete -c rr -n "__fish_rr_using_subcommand container; and __fish_seen_subcommand_from create" -l cpuset-mems -d 'Which memory nodes it may use' -r
complete -c rr -n "__fish_rr_using_subcommand container; and __fish_seen_subcommand_from create" -s m -l memory -d 'How much memory it may use, at least 6m; -1 for no limit' -r
complete -c rr -n "__fish_rr_using_subcommand container; and __fish_seen_subcommand_from create" -l memory-reservation -d 'Memory that is left to it where memory is short' -r
complete -c rr -n "__fish_rr_using_subcommand container; and __fish_seen_subcommand_from create" -l memory-swap -d 'Memory and swap together; -1 for no limit of swap [default: twice --memory]' -r
complete -c rr -n "__fish_rr_using_subcommand container; and __fish_seen_subcommand_from create" -l pids-limit -d 'How many processes and threads it may have; -1 for no limit' -r
complete -c rr -n "__fish_rr_using_subcommand container; and __fish_seen_subcommand_from create" -l blkio-weight-device -d 'Share of one disk' -r
complete -c rr -n "__fish_rr_using_subcommand container; and __fish_seen_subcommand_from create" -l cgroup-parent -d 'Where the container\'s control group is to be: a group of your own, or a slice of your systemd' -r
complete -c rr -n "__fish_rr_using_subcommand container; and __fish_seen_subcommand_from create" -l device-read-bps -d 'Bytes a second read from a device' -r
complete -c rr -n "__fish_rr_using_subcommand container; and __fish_seen_subcommand_from create" -l device-read-iops -d 'Reads a second from a device' -r
complete -c rr -n "__fish_rr_using_subcommand container; and __fish_seen_subcommand_from create" -l device-write-bps -d 'Bytes a second written to a device' -r
complete -c rr -n "__fish_rr_using_subcommand container; and __fish_seen_subcommand_from create" -l device-write-iops -d 'Writes a second to a device' -r
complete -c rr -n "__fish_rr_using_subcommand container; and __fish_seen_subcommand_from create" -l memory-swappiness -d 'Accepted; no kernel with version 2 of control groups has it' -r
complete -c rr -n "__fish_rr_using_subcommand container; and __fish_seen_subcommand_from create" -l oom-kill-disable -d 'Accepted; no kernel with version 2 of control groups has it' -r
complete -c rr -n "__fish_rr_using_subcommand container; and __fish_seen_subcommand_from create" -l log-driver -d 'json-file or k8s-file (rr\'s own file), or none [default: json-file]' -r
complete -c rr -n "__fish_rr_using_subcommand container; and __fish_seen_subcommand_from create" -l log-opt -d 'Set max-size (bytes after which a new log file is begun) or max-file (how many are kept)' -r
complete -c rr -n "__fish_rr_using_subcommand container; and __fish_seen_subcommand_from create" -l mount -d 'Mount something (type=bind|volume|tmpfs,source=…,target=…)' -r
complete -c rr -n "__fish_rr_using_subcommand container; and __fish_seen_subcommand_from create" -l name -d 'Name the container' -r
complete -c rr -n "__fish_rr_using_subcommand container; and __fish_seen_subcommand_from create" -l add-host -d 'Add a line to /etc/hosts; `host-gateway` stands for the host\'s address' -r
complete -c rr -n "__fish_rr_using_subcommand container; and __fish_seen_subcommand_from create" -l dns -d 'Ask this name server instead of the host\'s' -r
complete -c rr -n "__fish_rr_using_subcommand container; and __fish_seen_subcommand_from create" -l dns-option -l dns-opt -d 'Set an option of resolv.conf(5)' -r
complete -c rr -n "__fish_rr_using_subcommand container; and __fish_seen_subcommand_from create" -l dns-search -d 'Set a search domain' -r
complete -c rr -n "__fish_rr_using_subcommand container; and __fish_seen_subcommand_from create" -l expose -d 'Note a port that the container listens on' -r
complete -c rr -n "__fish_rr_using_subcommand container; and __fish_seen_subcommand_from create" -l ip -d 'Give the container this IPv4 address' -r
complete -c rr -n "__fish_rr_using_subcommand container; and __fish_seen_subcommand_from create" -l ip6 -d 'Give the container this address of IPv6' -r
complete -c rr -n "__fish_rr_using_subcommand container; and __fish_seen_subcommand_from create" -l link -d 'Give another container of the first network a further name that this one finds it by' -r
complete -c rr -n "__fish_rr_using_subcommand container; and __fish_seen_subcommand_from create" -l mac-address -d 'Give the container\'s interface this hardware address' -r
complete -c rr -n "__fish_rr_using_subcommand container; and __fish_seen_subcommand_from create" -l network -l net -d 'A network by its name (and again for further ones), none, host, private (rr\'s own), pasta, slirp4netns, or container:NAME for the namespace of another container [default: private]' -r
complete -c rr -n "__fish_rr_using_subcommand container; and __fish_seen_subcommand_from create" -l network-alias -l net-alias -d 'Give the container another name on its networks' -r
complete -c rr -n "__fish_rr_using_subcommand container; and __fish_seen_subcommand_from create" -s p -l publish -d 'Publish a port of the container; HOST and CONTAINER may be ranges, and without HOST any free port is taken' -r
complete -c rr -n "__fish_rr_using_subcommand container; and __fish_seen_subcommand_from create" -l platform -d 'Choose the platform of a multi-platform image' -r
complete -c rr -n "__fish_rr_using_subcommand container; and __fish_seen_subcommand_from create" -l pull -d 'Pull the image: always, missing, never or newer [default: missing]' -r
complete -c rr -n "__fish_rr_using_subcommand container; and __fish_seen_subcommand_from create" -l read-only-tmpfs -d 'With --read-only, mount tmpfs on /run, /tmp and /var/tmp [default: as `podman` true, else false]' -r
complete -c rr -n "__fish_rr_using_subcommand container; and __fish_seen_subcommand_from create" -l restart -d 'no, on-failure[:COUNT], always or unless-stopped [default: no]' -r
complete -c rr -n "__fish_rr_using_subcommand container; and __fish_seen_subcommand_from create" -l rootfs -d 'Use a directory instead of an image; with `:O`, below an overlay that is thrown away' -r -F
complete -c rr -n "__fish_rr_using_subcommand container; and __fish_seen_subcommand_from create" -l security-opt -d 'no-new-privileges, seccomp=FILE|unconfined, systempaths=unconfined, mask=PATHS, unmask=PATHS|ALL, label=…, apparmor=…' -r
complete -c rr -n "__fish_rr_using_subcommand container; and __fish_seen_subcommand_from create" -l shm-size -d 'Size of /dev/shm [default: 64m]' -r
complete -c rr -n "__fish_rr_using_subcommand container; and __fish_seen_subcommand_from create" -l sig-proxy -d 'Forward signals to the container [default: true]' -r
complete -c rr -n "__fish_rr_using_subcommand container; and __fish_seen_subcommand_from create" -l stop-signal -d 'Signal that asks the container to stop' -r
complete -c rr -n "__fish_rr_using_subcommand container; and __fish_seen_subcommand_from create" -l stop-timeout -d 'Seconds between that signal and SIGKILL [default: 10]' -r
complete -c rr -n "__fish_rr_using_subcommand container; and __fish_seen_subcommand_from create" -l tmpfs -d 'Mount a tmpfs' -r
complete -c rr -n "__fish_rr_using_subcommand container; and __fish_seen_subcommand_from create" -l uidmap -d 'Map user ids: 0 of the host\'s side is the user, 1 the first subordinate id' -r
complete -c rr -n "__fish_rr_using_subcommand container; and __fish_seen_subcommand_from create" -l ulimit -d 'Set a resource limit' -r
complete -c rr -n "__fish_rr_using_subcommand container; and __fish_seen_subcommand_from create" -s u -l user -d 'User inside' -r
complete -c rr -n "__fish_rr_using_subcommand container; and __fish_seen_subcommand_from create" -l userns -d 'auto, host, keep-id[:uid=N,gid=N] or nomap [default: auto]' -r
complete -c rr -n "__fish_rr_using_subcommand container; and __fish_seen_subcommand_from create" -s v -l volume -d 'Mount a directory of the host or a volume' -r
complete -c rr -n "__fish_rr_using_subcommand container; and __fish_seen_subcommand_from create" -l volumes-from -d 'Mount the binds and volumes of another container as well' -r
complete -c rr -n "__fish_rr_using_subcommand container; and __fish_seen_subcommand_from create" -s w -l workdir -d 'Directory to start in' -r
complete -c rr -n "__fish_rr_using_subcommand container; and __fish_seen_subcommand_from create" -l no-healthcheck -d 'Do not check the container\'s health, whatever the image says'
complete -c rr -n "__fish_rr_using_subcommand container; and __fish_seen_subcommand_from create" -l init -d 'Run rr as process 1, to forward signals and reap orphans'
complete -c rr -n "__fish_rr_using_subcommand container; and __fish_seen_subcommand_from create" -s i -l interactive -d 'Keep standard input open'
complete -c rr -n "__fish_rr_using_subcommand container; and __fish_seen_subcommand_from create" -s P -l publish-all -d 'Publish all exposed ports on free ports of the host'
complete -c rr -n "__fish_rr_using_subcommand container; and __fish_seen_subcommand_from create" -l privileged -d 'Give every capability of the user namespace, no system-call filter, no masked paths'
complete -c rr -n "__fish_rr_using_subcommand container; and __fish_seen_subcommand_from create" -s q -l quiet -d 'Print no progress of a pull'
complete -c rr -n "__fish_rr_using_subcommand container; and __fish_seen_subcommand_from create" -l read-only -d 'Mount the root file system read-only'
complete -c rr -n "__fish_rr_using_subcommand container; and __fish_seen_subcommand_from create" -l replace -d 'Remove a container that has the name, whatever it does'
complete -c rr -n "__fish_rr_using_subcommand container; and __fish_seen_subcommand_from create" -l rm -d 'Remove the container when it ends'
complete -c rr -n "__fish_rr_using_subcommand container; and __fish_seen_subcommand_from create" -l strict-ids -d 'Fail where a file of the image belongs to an id that is not mapped, instead of giving it to root'
complete -c rr -n "__fish_rr_using_subcommand container; and __fish_seen_subcommand_from create" -s t -l tty -d 'Give the container a terminal'
complete -c rr -n "__fish_rr_using_subcommand container; and __fish_seen_subcommand_from create" -l help -d 'Print help'
complete -c rr -n "__fish_rr_using_subcommand container; and __fish_seen_subcommand_from start" -l detach-keys -d 'Keys that detach from the terminal [default: ctrl-p,ctrl-q]' -r
complete -c rr -n "__fish_rr_using_subcommand container; and __fish_seen_subcommand_from start" -l sig-proxy -d 'Forward signals to the container [default: true]' -r
complete -c rr -n "__fish_rr_using_subcommand container; and __fish_seen_subcommand_from start" -l cidfile -d 'Containers whose ids stand in these files' -r -F
complete -c rr -n "__fish_rr_using_subcommand container; and __fish_seen_subcommand_from start" -l filter -d 'Containers that match, as with `ps --filter`' -r
complete -c rr -n "__fish_rr_using_subcommand container; and __fish_seen_subcommand_from start" -s a -l attach -d 'Attach output, forward signals, and exit as the container does'
complete -c rr -n "__fish_rr_using_subcommand container; and __fish_seen_subcommand_from start" -s i -l interactive -d 'Attach standard input as well'
complete -c rr -n "__fish_rr_using_subcommand container; and __fish_seen_subcommand_from start" -l all -d 'All containers it can be done to'
complete -c rr -n "__fish_rr_using_subcommand container; and __fish_seen_subcommand_from start" -s l -l latest -d 'The container that was made last'
complete -c rr -n "__fish_rr_using_subcommand container; and __fish_seen_subcommand_from start" -s h -l help -d 'Print help'
complete -c rr -n "__fish_rr_using_subcommand container; and __fish_seen_subcommand_from stop" -s s -l signal -d 'Signal that asks the containers to stop [default: the container\'s, TERM]' -r
complete -c rr -n "__fish_rr_using_subcommand container; and __fish_seen_subcommand_from stop" -s t -l time -l timeout -d 'Seconds to wait before killing [default: the container\'s, 10]' -r
complete -c rr -n "__fish_rr_using_subcommand container; and __fish_seen_subcommand_from stop" -l cidfile -d 'Containers whose ids stand in these files' -r -F
complete -c rr -n "__fish_rr_using_subcommand container; and __fish_seen_subcommand_from stop" -s f -l filter -d 'Containers that match, as with `ps --filter`' -r
complete -c rr -n "__fish_rr_using_subcommand container; and __fish_seen_subcommand_from stop" -s i -l ignore -d 'Pass over names that no container has'
complete -c rr -n "__fish_rr_using_subcommand container; and __fish_seen_subcommand_from stop" -s l -l latest -d 'The container that was made last'
complete -c rr -n "__fish_rr_using_subcommand container; and __fish_seen_subcommand_from stop" -s a -l all -d 'All containers it can be done to'
complete -c rr -n "__fish_rr_using_subcommand container; and __fish_seen_subcommand_from stop" -s h -l help -d 'Print help'
complete -c rr -n "__fish_rr_using_subcommand container; and __fish_seen_subcommand_from restart" -s s -l signal -d 'Signal that asks the containers to stop [default: the container\'s, TERM]' -r
complete -c rr -n "__fish_rr_using_subcommand container; and __fish_seen_subcommand_from restart" -s t -l time -l timeout -d 'Seconds to wait before killing [default: the container\'s, 10]' -r
complete -c rr -n "__fish_rr_using_subcommand container; and __fish_seen_subcommand_from restart" -l cidfile -d 'Containers whose ids stand in these files' -r -F
complete -c rr -n "__fish_rr_using_subcommand container; and __fish_seen_subcommand_from restart" -s f -l filter -d 'Containers that match, as with `ps --filter`' -r
complete -c rr -n "__fish_rr_using_subcommand container; and __fish_seen_subcommand_from restart" -l running -d 'With --all or --filter: only those that run'
complete -c rr -n "__fish_rr_using_subcommand container; and __fish_seen_subcommand_from restart" -s l -l latest -d 'The container that was made last'
complete -c rr -n "__fish_rr_using_subcommand container; and __fish_seen_subcommand_from restart" -s a -l all -d 'All containers it can be done to'
complete -c rr -n "__fish_rr_using_subcommand container; and __fish_seen_subcommand_from restart" -s h -l help -d 'Print help'
complete -c rr -n "__fish_rr_using_subcommand container; and __fish_seen_subcommand_from kill" -s s -l signal -d 'The signal, by name or number [default: KILL]' -r
complete -c rr -n "__fish_rr_using_subcommand container; and __fish_seen_subcommand_from kill" -l cidfile -d 'Containers whose ids stand in these files' -r -F
complete -c rr -n "__fish_rr_using_subcommand container; and __fish_seen_subcommand_from kill" -l filter -d 'Containers that match, as with `ps --filter`' -r
complete -c rr -n "__fish_rr_using_subcommand container; and __fish_seen_subcommand_from kill" -s l -l latest -d 'The container that was made last'
complete -c rr -n "__fish_rr_using_subcommand container; and __fish_seen_subcommand_from kill" -s a -l all -d 'All containers it can be done to'
complete -c rr -n "__fish_rr_using_subcommand container; and __fish_seen_subcommand_from kill" -s h -l help -d 'Print help'
complete -c rr -n "__fish_rr_using_subcommand container; and __fish_seen_subcommand_from wait" -l cidfile -d 'Containers whose ids stand in these files' -r -F
complete -c rr -n "__fish_rr_using_subcommand container; and __fish_seen_subcommand_from wait" -l filter -d 'Containers that match, as with `ps --filter`' -r
complete -c rr -n "__fish_rr_using_subcommand container; and __fish_seen_subcommand_from wait" -l ignore -d 'Pass over names that no container has'
complete -c rr -n "__fish_rr_using_subcommand container; and __fish_seen_subcommand_from wait" -l all -d 'All containers it can be done to'
complete -c rr -n "__fish_rr_using_subcommand container; and __fish_seen_subcommand_from wait" -s l -l latest -d 'The container that was made last'
complete -c rr -n "__fish_rr_using_subcommand container; and __fish_seen_subcommand_from wait" -s h -l help -d 'Print help'
complete -c rr -n "__fish_rr_using_subcommand container; and __fish_seen_subcommand_from attach" -l detach-keys -d 'Keys that detach from the terminal [default: ctrl-p,ctrl-q]' -r
complete -c rr -n "__fish_rr_using_subcommand container; and __fish_seen_subcommand_from attach" -l sig-proxy -d 'Forward signals to the container [default: true]' -r
complete -c rr -n "__fish_rr_using_subcommand container; and __fish_seen_subcommand_from attach" -l no-stdin -d 'Do not attach standard input'
complete -c rr -n "__fish_rr_using_subcommand container; and __fish_seen_subcommand_from attach" -s h -l help -d 'Print help'
complete -c rr -n "__fish_rr_using_subcommand container; and __fish_seen_subcommand_from exec" -l detach-keys -d 'Keys that detach from the terminal [default: ctrl-p,ctrl-q]' -r
complete -c rr -n "__fish_rr_using_subcommand container; and __fish_seen_subcommand_from exec" -s e -l env -d 'Set a variable; a name alone takes its value from rr\'s environment' -r
complete -c rr -n "__fish_rr_using_subcommand container; and __fish_seen_subcommand_from exec" -l env-file -d 'Read variables from a file' -r -F
complete -c rr -n "__fish_rr_using_subcommand container; and __fish_seen_subcommand_from exec" -s u -l user -d 'User inside [default: the container\'s]' -r
complete -c rr -n "__fish_rr_using_subcommand container; and __fish_seen_subcommand_from exec" -s w -l workdir -d 'Directory to start in [default: the container\'s]' -r
complete -c rr -n "__fish_rr_using_subcommand container; and __fish_seen_subcommand_from exec" -s d -l detach -d 'Leave the command running'
complete -c rr -n "__fish_rr_using_subcommand container; and __fish_seen_subcommand_from exec" -s i -l interactive -d 'Keep standard input open'
complete -c rr -n "__fish_rr_using_subcommand container; and __fish_seen_subcommand_from exec" -s l -l latest -d 'Take the newest container instead of a name'
complete -c rr -n "__fish_rr_using_subcommand container; and __fish_seen_subcommand_from exec" -l privileged -d 'Give every capability of the container\'s user namespace'
complete -c rr -n "__fish_rr_using_subcommand container; and __fish_seen_subcommand_from exec" -s t -l tty -d 'Give the command a terminal'
complete -c rr -n "__fish_rr_using_subcommand container; and __fish_seen_subcommand_from exec" -s h -l help -d 'Print help'
complete -c rr -n "__fish_rr_using_subcommand container; and __fish_seen_subcommand_from logs" -l since -d 'Only from this time on: RFC 3339, seconds since the epoch, or so long ago (42m, 1h30m)' -r
complete -c rr -n "__fish_rr_using_subcommand container; and __fish_seen_subcommand_from logs" -s n -l tail -d 'Only the last so many lines, or all [default: all]' -r
complete -c rr -n "__fish_rr_using_subcommand container; and __fish_seen_subcommand_from logs" -l until -d 'Only up to this time' -r
complete -c rr -n "__fish_rr_using_subcommand container; and __fish_seen_subcommand_from logs" -l details -d 'Put the log\'s extra attributes before each line; rr has none'
complete -c rr -n "__fish_rr_using_subcommand container; and __fish_seen_subcommand_from logs" -s f -l follow -d 'Go on until the container stops'
complete -c rr -n "__fish_rr_using_subcommand container; and __fish_seen_subcommand_from logs" -s t -l timestamps -d 'Put its time before each line'
complete -c rr -n "__fish_rr_using_subcommand container; and __fish_seen_subcommand_from logs" -s h -l help -d 'Print help'
complete -c rr -n "__fish_rr_using_subcommand container; and __fish_seen_subcommand_from pause" -s a -l all -d 'Pause all running containers'
complete -c rr -n "__fish_rr_using_subcommand container; and __fish_seen_subcommand_from pause" -s h -l help -d 'Print help'
complete -c rr -n "__fish_rr_using_subcommand container; and __fish_seen_subcommand_from unpause" -s a -l all -d 'Unpause all paused containers'
complete -c rr -n "__fish_rr_using_subcommand container; and __fish_seen_subcommand_from unpause" -s h -l help -d 'Print help'
complete -c rr -n "__fish_rr_using_subcommand container; and __fish_seen_subcommand_from top" -s l -l latest -d 'The container that was made last'
complete -c rr -n "__fish_rr_using_subcommand container; and __fish_seen_subcommand_from top" -s h -l help -d 'Print help'
complete -c rr -n "__fish_rr_using_subcommand container; and __fish_seen_subcommand_from explain" -l only -d 'Show these parts only' -r -f -a "namespaces\t'Which are the container\'s own'
ids\t'Who is who on both sides'
processes\t'Which process is which'
rights\t'Capabilities and system calls'
layers\t'What the root file system is stacked from'
mounts\t'What is mounted where, and why'
network\t'The way in and out'
limits\t'Control group and resource limits'"
complete -c rr -n "__fish_rr_using_subcommand container; and __fish_seen_subcommand_from explain" -l path -d 'Follow one file: where it lies on the host, whose it is, who may read and write it' -r -F
complete -c rr -n "__fish_rr_using_subcommand container; and __fish_seen_subcommand_from explain" -l as -d 'Who wants to read or write the file, as in `run --user` [default: whoever the container runs as]' -r
complete -c rr -n "__fish_rr_using_subcommand container; and __fish_seen_subcommand_from explain" -l id -d 'Tell what an id of a container will be on the host, and the other way round' -r
complete -c rr -n "__fish_rr_using_subcommand container; and __fish_seen_subcommand_from explain" -l userns -d 'How ids are mapped, as in `run`' -r
complete -c rr -n "__fish_rr_using_subcommand container; and __fish_seen_subcommand_from explain" -l uidmap -d 'Ids that are mapped, as in `run`' -r
complete -c rr -n "__fish_rr_using_subcommand container; and __fish_seen_subcommand_from explain" -l gidmap -d 'Group ids that are mapped, as in `run`' -r
complete -c rr -n "__fish_rr_using_subcommand container; and __fish_seen_subcommand_from explain" -l run -d 'Tell each step of the run that the rest of the line describes as for `rr run`, and start nothing' -r
complete -c rr -n "__fish_rr_using_subcommand container; and __fish_seen_subcommand_from explain" -l html -d 'Write one page with drawings into this file instead' -r -F
complete -c rr -n "__fish_rr_using_subcommand container; and __fish_seen_subcommand_from explain" -l json -d 'Print JSON'
complete -c rr -n "__fish_rr_using_subcommand container; and __fish_seen_subcommand_from explain" -s h -l help -d 'Print help'
complete -c rr -n "__fish_rr_using_subcommand container; and __fish_seen_subcommand_from stats" -l format -d '`table`, `table TEMPLATE`, `json` or a Go template' -r
complete -c rr -n "__fish_rr_using_subcommand container; and __fish_seen_subcommand_from stats" -s i -l interval -d 'Seconds between two looks [default: 1; as podman: 5]' -r
complete -c rr -n "__fish_rr_using_subcommand container; and __fish_seen_subcommand_from stats" -s a -l all -d 'Show all containers, not only the running ones'
complete -c rr -n "__fish_rr_using_subcommand container; and __fish_seen_subcommand_from stats" -s l -l latest -d 'The container that was made last'
complete -c rr -n "__fish_rr_using_subcommand container; and __fish_seen_subcommand_from stats" -l no-reset -d 'Do not clear the terminal in between'
complete -c rr -n "__fish_rr_using_subcommand container; and __fish_seen_subcommand_from stats" -l no-stream -d 'Look once, for a second'
complete -c rr -n "__fish_rr_using_subcommand container; and __fish_seen_subcommand_from stats" -l no-trunc -d 'Show whole ids'
complete -c rr -n "__fish_rr_using_subcommand container; and __fish_seen_subcommand_from stats" -s h -l help -d 'Print help'
complete -c rr -n "__fish_rr_using_subcommand container; and __fish_seen_subcommand_from rename" -s h -l help -d 'Print help'
complete -c rr -n "__fish_rr_using_subcommand container; and __fish_seen_subcommand_from diff" -l format -d '`json`: three lists' -r
complete -c rr -n "__fish_rr_using_subcommand container; and __fish_seen_subcommand_from diff" -s h -l help -d 'Print help'
complete -c rr -n "__fish_rr_using_subcommand container; and __fish_seen_subcommand_from commit" -s a -l author -d 'Who made it, such as `Ana <ana@example.org>`' -r
complete -c rr -n "__fish_rr_using_subcommand container; and __fish_seen_subcommand_from commit" -s c -l change -d 'Change the image by an instruction of Dockerfiles, such as `CMD ["sh"]`' -r
complete -c rr -n "__fish_rr_using_subcommand container; and __fish_seen_subcommand_from commit" -s f -l format -d 'Documents of the image: oci or docker' -r
complete -c rr -n "__fish_rr_using_subcommand container; and __fish_seen_subcommand_from commit" -l iidfile -d 'Write the image\'s id to a file' -r -F
complete -c rr -n "__fish_rr_using_subcommand container; and __fish_seen_subcommand_from commit" -s m -l message -d 'A comment for the image\'s history' -r
complete -c rr -n "__fish_rr_using_subcommand container; and __fish_seen_subcommand_from commit" -s p -l pause -d 'Stop the container\'s processes meanwhile [default: true]' -r
complete -c rr -n "__fish_rr_using_subcommand container; and __fish_seen_subcommand_from commit" -l include-volumes -d 'Make the targets of the container\'s mounts volumes of the image'
complete -c rr -n "__fish_rr_using_subcommand container; and __fish_seen_subcommand_from commit" -s q -l quiet -d 'Say nothing but the id'
complete -c rr -n "__fish_rr_using_subcommand container; and __fish_seen_subcommand_from commit" -s h -l help -d 'Print help'
complete -c rr -n "__fish_rr_using_subcommand container; and __fish_seen_subcommand_from export" -s o -l output -d 'Write to a file instead of standard output' -r -F
complete -c rr -n "__fish_rr_using_subcommand container; and __fish_seen_subcommand_from export" -s h -l help -d 'Print help'
complete -c rr -n "__fish_rr_using_subcommand container; and __fish_seen_subcommand_from update" -l blkio-weight -d 'Share of the disks where they are busy, from 10 to 1000' -r
complete -c rr -n "__fish_rr_using_subcommand container; and __fish_seen_subcommand_from update" -l cpu-period -d 'Length of the period that --cpu-quota is about [default: 100000]' -r
complete -c rr -n "__fish_rr_using_subcommand container; and __fish_seen_subcommand_from update" -l cpu-quota -d 'Processor time in each period; -1 for no limit' -r
complete -c rr -n "__fish_rr_using_subcommand container; and __fish_seen_subcommand_from update" -s c -l cpu-shares -d 'Share of the processors where they are busy, from 2 to 262144 [default: 1024]' -r
complete -c rr -n "__fish_rr_using_subcommand container; and __fish_seen_subcommand_from update" -l cpus -d 'How many processors\' time it may use, such as 1.5' -r
complete -c rr -n "__fish_rr_using_subcommand container; and __fish_seen_subcommand_from update" -l cpuset-cpus -d 'Which processors it may use, such as 0-2,4' -r
complete -c rr -n "__fish_rr_using_subcommand container; and __fish_seen_subcommand_from update" -l cpuset-mems -d 'Which memory nodes it may use' -r
complete -c rr -n "__fish_rr_using_subcommand container; and __fish_seen_subcommand_from update" -s m -l memory -d 'How much memory it may use, at least 6m; -1 for no limit' -r
complete -c rr -n "__fish_rr_using_subcommand container; and __fish_seen_subcommand_from update" -l memory-reservation -d 'Memory that is left to it where memory is short' -r
complete -c rr -n "__fish_rr_using_subcommand container; and __fish_seen_subcommand_from update" -l memory-swap -d 'Memory and swap together; -1 for no limit of swap [default: twice --memory]' -r
complete -c rr -n "__fish_rr_using_subcommand container; and __fish_seen_subcommand_from update" -l pids-limit -d 'How many processes and threads it may have; -1 for no limit' -r
complete -c rr -n "__fish_rr_using_subcommand container; and __fish_seen_subcommand_from update" -l restart -d 'no, on-failure[:COUNT], always or unless-stopped' -r
complete -c rr -n "__fish_rr_using_subcommand container; and __fish_seen_subcommand_from update" -s h -l help -d 'Print help'
complete -c rr -n "__fish_rr_using_subcommand container; and __fish_seen_subcommand_from ls" -s f -l filter -d 'Show only what matches: id, name, label, status, exited, ancestor, volume, network, before, since and more' -r
complete -c rr -n "__fish_rr_using_subcommand container; and __fish_seen_subcommand_from ls" -l format -d '`table`, `table TEMPLATE`, `json` or a Go template' -r
complete -c rr -n "__fish_rr_using_subcommand container; and __fish_seen_subcommand_from ls" -s n -l last -d 'Show the newest so many, whatever their state' -r
complete -c rr -n "__fish_rr_using_subcommand container; and __fish_seen_subcommand_from ls" -l sort -d 'Sort by command, created, id, image, names, runningfor or status' -r
complete -c rr -n "__fish_rr_using_subcommand container; and __fish_seen_subcommand_from ls" -s a -l all -d 'Show all containers, not only the running ones'
complete -c rr -n "__fish_rr_using_subcommand container; and __fish_seen_subcommand_from ls" -s l -l latest -d 'Show the newest, whatever its state'
complete -c rr -n "__fish_rr_using_subcommand container; and __fish_seen_subcommand_from ls" -l noheading -d 'Leave out the line of headers'
complete -c rr -n "__fish_rr_using_subcommand container; and __fish_seen_subcommand_from ls" -l no-trunc -d 'Show whole ids and commands'
complete -c rr -n "__fish_rr_using_subcommand container; and __fish_seen_subcommand_from ls" -s q -l quiet -d 'Show ids only'
complete -c rr -n "__fish_rr_using_subcommand container; and __fish_seen_subcommand_from ls" -s s -l size -d 'Show what each has written, and its size with its image'
complete -c rr -n "__fish_rr_using_subcommand container; and __fish_seen_subcommand_from ls" -s h -l help -d 'Print help'
complete -c rr -n "__fish_rr_using_subcommand container; and __fish_seen_subcommand_from exists" -s h -l help -d 'Print help'
complete -c rr -n "__fish_rr_using_subcommand container; and __fish_seen_subcommand_from port" -s h -l help -d 'Print help'
complete -c rr -n "__fish_rr_using_subcommand container; and __fish_seen_subcommand_from rm" -s t -l time -d 'With --force: seconds to let running containers stop by themselves before killing them' -r
complete -c rr -n "__fish_rr_using_subcommand container; and __fish_seen_subcommand_from rm" -l cidfile -d 'Containers whose ids stand in these files' -r -F
complete -c rr -n "__fish_rr_using_subcommand container; and __fish_seen_subcommand_from rm" -l filter -d 'Containers that match, as with `ps --filter`' -r
complete -c rr -n "__fish_rr_using_subcommand container; and __fish_seen_subcommand_from rm" -s f -l force -d 'Kill running containers first; one that does not exist is no failure'
complete -c rr -n "__fish_rr_using_subcommand container; and __fish_seen_subcommand_from rm" -s v -l volumes -d 'Remove the containers\' anonymous volumes as well'
complete -c rr -n "__fish_rr_using_subcommand container; and __fish_seen_subcommand_from rm" -s i -l ignore -d 'Pass over names that no container has'
complete -c rr -n "__fish_rr_using_subcommand container; and __fish_seen_subcommand_from rm" -s l -l latest -d 'The container that was made last'
complete -c rr -n "__fish_rr_using_subcommand container; and __fish_seen_subcommand_from rm" -s a -l all -d 'All containers it can be done to'
complete -c rr -n "__fish_rr_using_subcommand container; and __fish_seen_subcommand_from rm" -s h -l help -d 'Print help'
complete -c rr -n "__fish_rr_using_subcommand container; and __fish_seen_subcommand_from cp" -s a -l archive -d 'Keep owners and groups'
complete -c rr -n "__fish_rr_using_subcommand container; and __fish_seen_subcommand_from cp" -s L -l follow-link -d 'Copy what a link leads to rather than the link'
complete -c rr -n "__fish_rr_using_subcommand container; and __fish_seen_subcommand_from cp" -s q -l quiet -d 'Do not say what was copied'
complete -c rr -n "__fish_rr_using_subcommand container; and __fish_seen_subcommand_from cp" -s h -l help -d 'Print help'
complete -c rr -n "__fish_rr_using_subcommand container; and __fish_seen_subcommand_from inspect" -s f -l format -d '`json` or a Go template, such as `{{.State.Status}}`' -r
complete -c rr -n "__fish_rr_using_subcommand container; and __fish_seen_subcommand_from inspect" -s s -l size -d 'Measure what containers have written'
complete -c rr -n "__fish_rr_using_subcommand container; and __fish_seen_subcommand_from inspect" -s h -l help -d 'Print help'
complete -c rr -n "__fish_rr_using_subcommand container; and __fish_seen_subcommand_from prune" -l filter -d 'Only what matches: until=TIME, label=KEY[=VALUE], label!=KEY[=VALUE]' -r
complete -c rr -n "__fish_rr_using_subcommand container; and __fish_seen_subcommand_from prune" -s f -l force -d 'Do not ask'
complete -c rr -n "__fish_rr_using_subcommand container; and __fish_seen_subcommand_from prune" -s h -l help -d 'Print help'
complete -c rr -n "__fish_rr_using_subcommand healthcheck; and not __fish_seen_subcommand_from run" -f -a "run" -d 'Check the health of a running container now'
complete -c rr -n "__fish_rr_using_subcommand healthcheck; and __fish_seen_subcommand_from run" -s h -l help -d 'Print help'
complete -c rr -n "__fish_rr_using_subcommand image; and not __fish_seen_subcommand_from build pull ls push history import save load exists rm tag inspect prune" -f -a "build" -d 'Build an image from a Dockerfile'
complete -c rr -n "__fish_rr_using_subcommand image; and not __fish_seen_subcommand_from build pull ls push history import save load exists rm tag inspect prune" -f -a "pull" -d 'Download an image from a registry and unpack it'
complete -c rr -n "__fish_rr_using_subcommand image; and not __fish_seen_subcommand_from build pull ls push history import save load exists rm tag inspect prune" -f -a "ls" -d 'List images'
complete -c rr -n "__fish_rr_using_subcommand image; and not __fish_seen_subcommand_from build pull ls push history import save load exists rm tag inspect prune" -f -a "push" -d 'Upload an image to a registry, or write it to an archive'
complete -c rr -n "__fish_rr_using_subcommand image; and not __fish_seen_subcommand_from build pull ls push history import save load exists rm tag inspect prune" -f -a "history" -d 'Show how an image came about'
complete -c rr -n "__fish_rr_using_subcommand image; and not __fish_seen_subcommand_from build pull ls push history import save load exists rm tag inspect prune" -f -a "import" -d 'Make an image of a tar archive of a file system'
complete -c rr -n "__fish_rr_using_subcommand image; and not __fish_seen_subcommand_from build pull ls push history import save load exists rm tag inspect prune" -f -a "save" -d 'Write images to an archive'
complete -c rr -n "__fish_rr_using_subcommand image; and not __fish_seen_subcommand_from build pull ls push history import save load exists rm tag inspect prune" -f -a "load" -d 'Load images from an archive'
complete -c rr -n "__fish_rr_using_subcommand image; and not __fish_seen_subcommand_from build pull ls push history import save load exists rm tag inspect prune" -f -a "exists" -d 'Tell by the exit status whether an image is in the store: 0 if it is, 1 if not, 125 where that cannot be told'
complete -c rr -n "__fish_rr_using_subcommand image; and not __fish_seen_subcommand_from build pull ls push history import save load exists rm tag inspect prune" -f -a "rm" -d 'Remove one or more images'
complete -c rr -n "__fish_rr_using_subcommand image; and not __fish_seen_subcommand_from build pull ls push history import save load exists rm tag inspect prune" -f -a "tag" -d 'Give an image another name'
complete -c rr -n "__fish_rr_using_subcommand image; and not __fish_seen_subcommand_from build pull ls push history import save load exists rm tag inspect prune" -f -a "inspect" -d 'Show everything about images'
complete -c rr -n "__fish_rr_using_subcommand image; and not __fish_seen_subcommand_from build pull ls push history import save load exists rm tag inspect prune" -f -a "prune" -d 'Remove images that nobody needs'
complete -c rr -n "__fish_rr_using_subcommand image; and __fish_seen_subcommand_from build" -l authfile -d 'The file of credentials to use' -r -F
complete -c rr -n "__fish_rr_using_subcommand image; and __fish_seen_subcommand_from build" -l tls-verify -d 'Insist on HTTPS and a valid certificate [default: what registries.conf says]' -r
complete -c rr -n "__fish_rr_using_subcommand image; and __fish_seen_subcommand_from build" -l add-host -d 'Add a line to /etc/hosts of RUN\'s containers' -r
complete -c rr -n "__fish_rr_using_subcommand image; and __fish_seen_subcommand_from build" -l build-context -d 'A further place for COPY --from and FROM: a directory, or docker-image://NAME' -r
complete -c rr -n "__fish_rr_using_subcommand image; and __fish_seen_subcommand_from build" -l build-arg -d 'Set a variable that the Dockerfile declares by ARG; without a value, to that of the environment' -r
complete -c rr -n "__fish_rr_using_subcommand image; and __fish_seen_subcommand_from build" -l cache-from -d 'Ignored: what was built here before is found without being told where' -r
complete -c rr -n "__fish_rr_using_subcommand image; and __fish_seen_subcommand_from build" -l cache-to -d 'Ignored: what is built is remembered anyway' -r
complete -c rr -n "__fish_rr_using_subcommand image; and __fish_seen_subcommand_from build" -s f -l file -d 'The Dockerfile; `-` for standard input [default: Dockerfile, or Containerfile, of the context]' -r
complete -c rr -n "__fish_rr_using_subcommand image; and __fish_seen_subcommand_from build" -l format -d 'Documents of the image: oci or docker' -r
complete -c rr -n "__fish_rr_using_subcommand image; and __fish_seen_subcommand_from build" -l iidfile -d 'Write the image\'s id to a file' -r -F
complete -c rr -n "__fish_rr_using_subcommand image; and __fish_seen_subcommand_from build" -l label -d 'Set a label of the image' -r
complete -c rr -n "__fish_rr_using_subcommand image; and __fish_seen_subcommand_from build" -l network -d 'The network of RUN\'s containers: default, host or none' -r
complete -c rr -n "__fish_rr_using_subcommand image; and __fish_seen_subcommand_from build" -l platform -d 'Build for another platform' -r
complete -c rr -n "__fish_rr_using_subcommand image; and __fish_seen_subcommand_from build" -l progress -d 'How progress is shown: auto, plain, tty or quiet' -r
complete -c rr -n "__fish_rr_using_subcommand image; and __fish_seen_subcommand_from build" -l pull -d 'Ask the registry also for images that are here; or always, missing, never or newer' -r
complete -c rr -n "__fish_rr_using_subcommand image; and __fish_seen_subcommand_from build" -l rm -d 'Ignored: containers of RUN never outlive their step' -r
complete -c rr -n "__fish_rr_using_subcommand image; and __fish_seen_subcommand_from build" -l secret -d 'Give RUN --mount=type=secret a file or a variable: id=ID[,src=FILE|,env=NAME]' -r
complete -c rr -n "__fish_rr_using_subcommand image; and __fish_seen_subcommand_from build" -s t -l tag -d 'What the image is called' -r
complete -c rr -n "__fish_rr_using_subcommand image; and __fish_seen_subcommand_from build" -l target -d 'Build up to this stage' -r
complete -c rr -n "__fish_rr_using_subcommand image; and __fish_seen_subcommand_from build" -l force-rm -d 'Ignored: containers of RUN never outlive their step'
complete -c rr -n "__fish_rr_using_subcommand image; and __fish_seen_subcommand_from build" -l load -d 'Ignored: the image is in rr\'s store anyway'
complete -c rr -n "__fish_rr_using_subcommand image; and __fish_seen_subcommand_from build" -l no-cache -d 'Do each step anew'
complete -c rr -n "__fish_rr_using_subcommand image; and __fish_seen_subcommand_from build" -s q -l quiet -d 'Say nothing but the image\'s id'
complete -c rr -n "__fish_rr_using_subcommand image; and __fish_seen_subcommand_from build" -s h -l help -d 'Print help'
complete -c rr -n "__fish_rr_using_subcommand image; and __fish_seen_subcommand_from pull" -l authfile -d 'The file of credentials to use' -r -F
complete -c rr -n "__fish_rr_using_subcommand image; and __fish_seen_subcommand_from pull" -l tls-verify -d 'Insist on HTTPS and a valid certificate [default: what registries.conf says]' -r
complete -c rr -n "__fish_rr_using_subcommand image; and __fish_seen_subcommand_from pull" -l creds -d 'Credentials to use instead of those that are kept' -r
complete -c rr -n "__fish_rr_using_subcommand image; and __fish_seen_subcommand_from pull" -l platform -d 'Choose the platform of a multi-platform image' -r
complete -c rr -n "__fish_rr_using_subcommand image; and __fish_seen_subcommand_from pull" -s q -l quiet -d 'Print only the image\'s name'
complete -c rr -n "__fish_rr_using_subcommand image; and __fish_seen_subcommand_from pull" -l strict-ids -d 'Fail where a file belongs to an id that is not mapped, instead of giving it to root'
complete -c rr -n "__fish_rr_using_subcommand image; and __fish_seen_subcommand_from pull" -s h -l help -d 'Print help'
complete -c rr -n "__fish_rr_using_subcommand image; and __fish_seen_subcommand_from ls" -s f -l filter -d 'Show only what matches: dangling, label, reference, id, before, since, until' -r
complete -c rr -n "__fish_rr_using_subcommand image; and __fish_seen_subcommand_from ls" -l format -d '`table`, `table TEMPLATE`, `json` or a Go template' -r
complete -c rr -n "__fish_rr_using_subcommand image; and __fish_seen_subcommand_from ls" -l sort -d 'Sort by created, id, repository, size or tag' -r
complete -c rr -n "__fish_rr_using_subcommand image; and __fish_seen_subcommand_from ls" -s a -l all -d 'Show all images; rr keeps no intermediate ones, so this changes nothing'
complete -c rr -n "__fish_rr_using_subcommand image; and __fish_seen_subcommand_from ls" -l digests -d 'Show digests'
complete -c rr -n "__fish_rr_using_subcommand image; and __fish_seen_subcommand_from ls" -s n -l noheading -d 'Leave out the line of headers'
complete -c rr -n "__fish_rr_using_subcommand image; and __fish_seen_subcommand_from ls" -l no-trunc -d 'Show whole ids'
complete -c rr -n "__fish_rr_using_subcommand image; and __fish_seen_subcommand_from ls" -s q -l quiet -d 'Show ids only'
complete -c rr -n "__fish_rr_using_subcommand image; and __fish_seen_subcommand_from ls" -s h -l help -d 'Print help'
complete -c rr -n "__fish_rr_using_subcommand image; and __fish_seen_subcommand_from push" -l authfile -d 'The file of credentials to use' -r -F
complete -c rr -n "__fish_rr_using_subcommand image; and __fish_seen_subcommand_from push" -l tls-verify -d 'Insist on HTTPS and a valid certificate [default: what registries.conf says]' -r
complete -c rr -n "__fish_rr_using_subcommand image; and __fish_seen_subcommand_from push" -l creds -d 'Credentials to use instead of those that are kept' -r
complete -c rr -n "__fish_rr_using_subcommand image; and __fish_seen_subcommand_from push" -l digestfile -d 'Write the manifest\'s digest to a file' -r -F
complete -c rr -n "__fish_rr_using_subcommand image; and __fish_seen_subcommand_from push" -s a -l all-tags -d 'Push all tags of a repository'
complete -c rr -n "__fish_rr_using_subcommand image; and __fish_seen_subcommand_from push" -s q -l quiet -d 'Say nothing but the image\'s name'
complete -c rr -n "__fish_rr_using_subcommand image; and __fish_seen_subcommand_from push" -s h -l help -d 'Print help'
complete -c rr -n "__fish_rr_using_subcommand image; and __fish_seen_subcommand_from history" -l format -d '`table`, `table TEMPLATE`, `json` or a Go template' -r
complete -c rr -n "__fish_rr_using_subcommand image; and __fish_seen_subcommand_from history" -s H -l human -d 'Show sizes and times for people [default: true]' -r
complete -c rr -n "__fish_rr_using_subcommand image; and __fish_seen_subcommand_from history" -l no-trunc -d 'Show whole ids and commands'
complete -c rr -n "__fish_rr_using_subcommand image; and __fish_seen_subcommand_from history" -s q -l quiet -d 'Show ids only'
complete -c rr -n "__fish_rr_using_subcommand image; and __fish_seen_subcommand_from history" -s h -l help -d 'Print help'
complete -c rr -n "__fish_rr_using_subcommand image; and __fish_seen_subcommand_from import" -s c -l change -d 'Change the image by an instruction of Dockerfiles, such as `CMD ["sh"]`' -r
complete -c rr -n "__fish_rr_using_subcommand image; and __fish_seen_subcommand_from import" -s m -l message -d 'A comment for the image\'s history' -r
complete -c rr -n "__fish_rr_using_subcommand image; and __fish_seen_subcommand_from import" -l platform -d 'Whom the image is for, if not for machines like this' -r
complete -c rr -n "__fish_rr_using_subcommand image; and __fish_seen_subcommand_from import" -s q -l quiet -d 'Say nothing but the id'
complete -c rr -n "__fish_rr_using_subcommand image; and __fish_seen_subcommand_from import" -s h -l help -d 'Print help'
complete -c rr -n "__fish_rr_using_subcommand image; and __fish_seen_subcommand_from save" -l format -d 'docker-archive, oci-archive or oci-dir' -r
complete -c rr -n "__fish_rr_using_subcommand image; and __fish_seen_subcommand_from save" -s o -l output -d 'Write to a file or, with oci-dir, a directory instead of standard output' -r -F
complete -c rr -n "__fish_rr_using_subcommand image; and __fish_seen_subcommand_from save" -s m -l multi-image-archive -d 'Accepted for Podman\'s sake: any number of images can be saved'
complete -c rr -n "__fish_rr_using_subcommand image; and __fish_seen_subcommand_from save" -s q -l quiet -d 'Accepted for Podman\'s sake: nothing is said anyway'
complete -c rr -n "__fish_rr_using_subcommand image; and __fish_seen_subcommand_from save" -s h -l help -d 'Print help'
complete -c rr -n "__fish_rr_using_subcommand image; and __fish_seen_subcommand_from load" -s i -l input -d 'Read a file or a directory instead of standard input' -r -F
complete -c rr -n "__fish_rr_using_subcommand image; and __fish_seen_subcommand_from load" -l platform -d 'Choose the platform of a multi-platform image' -r
complete -c rr -n "__fish_rr_using_subcommand image; and __fish_seen_subcommand_from load" -s q -l quiet -d 'Show no progress'
complete -c rr -n "__fish_rr_using_subcommand image; and __fish_seen_subcommand_from load" -s h -l help -d 'Print help'
complete -c rr -n "__fish_rr_using_subcommand image; and __fish_seen_subcommand_from exists" -s h -l help -d 'Print help'
complete -c rr -n "__fish_rr_using_subcommand image; and __fish_seen_subcommand_from rm" -s f -l force -d 'Remove images that stopped containers use, and all names of an id'
complete -c rr -n "__fish_rr_using_subcommand image; and __fish_seen_subcommand_from rm" -l no-prune -d 'Accepted for Docker\'s sake: rr keeps no untagged parents'
complete -c rr -n "__fish_rr_using_subcommand image; and __fish_seen_subcommand_from rm" -s h -l help -d 'Print help'
complete -c rr -n "__fish_rr_using_subcommand image; and __fish_seen_subcommand_from tag" -s h -l help -d 'Print help'
complete -c rr -n "__fish_rr_using_subcommand image; and __fish_seen_subcommand_from inspect" -s f -l format -d '`json` or a Go template, such as `{{.State.Status}}`' -r
complete -c rr -n "__fish_rr_using_subcommand image; and __fish_seen_subcommand_from inspect" -s s -l size -d 'Measure what containers have written'
complete -c rr -n "__fish_rr_using_subcommand image; and __fish_seen_subcommand_from inspect" -s h -l help -d 'Print help'
complete -c rr -n "__fish_rr_using_subcommand image; and __fish_seen_subcommand_from prune" -l filter -d 'Only what matches: until=TIME, label=KEY[=VALUE], label!=KEY[=VALUE]' -r
complete -c rr -n "__fish_rr_using_subcommand image; and __fish_seen_subcommand_from prune" -s a -l all -d 'Remove all images that no container was made of, not only those without a name'
complete -c rr -n "__fish_rr_using_subcommand image; and __fish_seen_subcommand_from prune" -s f -l force -d 'Do not ask'
complete -c rr -n "__fish_rr_using_subcommand image; and __fish_seen_subcommand_from prune" -s h -l help -d 'Print help'
complete -c rr -n "__fish_rr_using_subcommand network; and not __fish_seen_subcommand_from create ls inspect rm prune connect disconnect exists" -f -a "create" -d 'Create a network'
complete -c rr -n "__fish_rr_using_subcommand network; and not __fish_seen_subcommand_from create ls inspect rm prune connect disconnect exists" -f -a "ls" -d 'List networks'
complete -c rr -n "__fish_rr_using_subcommand network; and not __fish_seen_subcommand_from create ls inspect rm prune connect disconnect exists" -f -a "inspect" -d 'Show everything about networks'
complete -c rr -n "__fish_rr_using_subcommand network; and not __fish_seen_subcommand_from create ls inspect rm prune connect disconnect exists" -f -a "rm" -d 'Remove one or more networks that no container uses'
complete -c rr -n "__fish_rr_using_subcommand network; and not __fish_seen_subcommand_from create ls inspect rm prune connect disconnect exists" -f -a "prune" -d 'Remove the networks that no container uses'
complete -c rr -n "__fish_rr_using_subcommand network; and not __fish_seen_subcommand_from create ls inspect rm prune connect disconnect exists" -f -a "connect" -d 'Put a container on one more network'
complete -c rr -n "__fish_rr_using_subcommand network; and not __fish_seen_subcommand_from create ls inspect rm prune connect disconnect exists" -f -a "disconnect" -d 'Take a container off a network'
complete -c rr -n "__fish_rr_using_subcommand network; and not __fish_seen_subcommand_from create ls inspect rm prune connect disconnect exists" -f -a "exists" -d 'Tell by the exit status whether a network exists: 0 if it does, 1 if not, 125 where that cannot be told'
complete -c rr -n "__fish_rr_using_subcommand network; and __fish_seen_subcommand_from create" -s d -l driver -d 'The network\'s driver; rr has one [default: bridge]' -r
complete -c rr -n "__fish_rr_using_subcommand network; and __fish_seen_subcommand_from create" -l gateway -d 'Address by which containers reach the outside [default: the first of the subnet]' -r
complete -c rr -n "__fish_rr_using_subcommand network; and __fish_seen_subcommand_from create" -l ip-range -d 'Give containers addresses from this part of the subnet' -r
complete -c rr -n "__fish_rr_using_subcommand network; and __fish_seen_subcommand_from create" -l label -d 'Set a label' -r
complete -c rr -n "__fish_rr_using_subcommand network; and __fish_seen_subcommand_from create" -s o -l opt -d 'Set an option of the driver: mtu=…; Docker\'s others are kept and do nothing' -r
complete -c rr -n "__fish_rr_using_subcommand network; and __fish_seen_subcommand_from create" -l subnet -d 'The network\'s addresses [default: a free 10.89.N.0/24]' -r
complete -c rr -n "__fish_rr_using_subcommand network; and __fish_seen_subcommand_from create" -l attachable -d 'Note that containers may be attached by hand; with rr they always may'
complete -c rr -n "__fish_rr_using_subcommand network; and __fish_seen_subcommand_from create" -l internal -d 'No way out of the network'
complete -c rr -n "__fish_rr_using_subcommand network; and __fish_seen_subcommand_from create" -l ipv6 -d 'IPv6 addresses as well'
complete -c rr -n "__fish_rr_using_subcommand network; and __fish_seen_subcommand_from create" -s h -l help -d 'Print help'
complete -c rr -n "__fish_rr_using_subcommand network; and __fish_seen_subcommand_from ls" -s f -l filter -d 'Show only what matches: dangling, driver, id, label, label!, name, scope, type, until' -r
complete -c rr -n "__fish_rr_using_subcommand network; and __fish_seen_subcommand_from ls" -l format -d '`table`, `table TEMPLATE`, `json` or a Go template' -r
complete -c rr -n "__fish_rr_using_subcommand network; and __fish_seen_subcommand_from ls" -l no-trunc -d 'Show ids in full'
complete -c rr -n "__fish_rr_using_subcommand network; and __fish_seen_subcommand_from ls" -s q -l quiet -d 'Show ids only'
complete -c rr -n "__fish_rr_using_subcommand network; and __fish_seen_subcommand_from ls" -s h -l help -d 'Print help'
complete -c rr -n "__fish_rr_using_subcommand network; and __fish_seen_subcommand_from inspect" -s f -l format -d '`json` or a Go template, such as `{{range .IPAM.Config}}{{.Subnet}}{{end}}`' -r
complete -c rr -n "__fish_rr_using_subcommand network; and __fish_seen_subcommand_from inspect" -s v -l verbose -d 'Accepted; rr shows all it knows in any case'
complete -c rr -n "__fish_rr_using_subcommand network; and __fish_seen_subcommand_from inspect" -s h -l help -d 'Print help'
complete -c rr -n "__fish_rr_using_subcommand network; and __fish_seen_subcommand_from rm" -s f -l force -d 'One that does not exist is no failure'
complete -c rr -n "__fish_rr_using_subcommand network; and __fish_seen_subcommand_from rm" -s h -l help -d 'Print help'
complete -c rr -n "__fish_rr_using_subcommand network; and __fish_seen_subcommand_from prune" -l filter -d 'Remove only what matches: until, label, label!' -r
complete -c rr -n "__fish_rr_using_subcommand network; and __fish_seen_subcommand_from prune" -s f -l force -d 'Do not ask'
complete -c rr -n "__fish_rr_using_subcommand network; and __fish_seen_subcommand_from prune" -s h -l help -d 'Print help'
complete -c rr -n "__fish_rr_using_subcommand network; and __fish_seen_subcommand_from connect" -l alias -d 'Give the container another name on the network' -r
complete -c rr -n "__fish_rr_using_subcommand network; and __fish_seen_subcommand_from connect" -l driver-opt -d 'Accepted; rr\'s networks have no options of one container' -r
complete -c rr -n "__fish_rr_using_subcommand network; and __fish_seen_subcommand_from connect" -l ip -d 'Give it this IPv4 address' -r
complete -c rr -n "__fish_rr_using_subcommand network; and __fish_seen_subcommand_from connect" -l ip6 -d 'Give it this address of IPv6' -r
complete -c rr -n "__fish_rr_using_subcommand network; and __fish_seen_subcommand_from connect" -l link -d 'Give another container of the network a further name that this one finds it by' -r
complete -c rr -n "__fish_rr_using_subcommand network; and __fish_seen_subcommand_from connect" -l mac-address -d 'Give its interface this hardware address' -r
complete -c rr -n "__fish_rr_using_subcommand network; and __fish_seen_subcommand_from connect" -s h -l help -d 'Print help'
complete -c rr -n "__fish_rr_using_subcommand network; and __fish_seen_subcommand_from disconnect" -s f -l force -d 'Accepted; rr takes it off in any case'
complete -c rr -n "__fish_rr_using_subcommand network; and __fish_seen_subcommand_from disconnect" -s h -l help -d 'Print help'
complete -c rr -n "__fish_rr_using_subcommand network; and __fish_seen_subcommand_from exists" -s h -l help -d 'Print help'
complete -c rr -n "__fish_rr_using_subcommand system; and not __fish_seen_subcommand_from events doctor info prune df reset" -f -a "events" -d 'Print what happens to containers, images and volumes'
complete -c rr -n "__fish_rr_using_subcommand system; and not __fish_seen_subcommand_from events doctor info prune df reset" -f -a "doctor" -d 'Show what this machine offers and rr will use, and how to mend what is missing'
complete -c rr -n "__fish_rr_using_subcommand system; and not __fish_seen_subcommand_from events doctor info prune df reset" -f -a "info" -d 'Show what rr has stored and what it finds on this machine'
complete -c rr -n "__fish_rr_using_subcommand system; and not __fish_seen_subcommand_from events doctor info prune df reset" -f -a "prune" -d 'Remove what nobody needs, and what killed commands have left'
complete -c rr -n "__fish_rr_using_subcommand system; and not __fish_seen_subcommand_from events doctor info prune df reset" -f -a "df" -d 'Show what takes how much room'
complete -c rr -n "__fish_rr_using_subcommand system; and not __fish_seen_subcommand_from events doctor info prune df reset" -f -a "reset" -d 'Remove everything: containers, images, volumes'
complete -c rr -n "__fish_rr_using_subcommand system; and __fish_seen_subcommand_from events" -s f -l filter -d 'Only what matches: container, event, image, label, network, scope, type, volume' -r
complete -c rr -n "__fish_rr_using_subcommand system; and __fish_seen_subcommand_from events" -l format -d 'json or a Go template, such as `{{.Action}}`' -r
complete -c rr -n "__fish_rr_using_subcommand system; and __fish_seen_subcommand_from events" -l since -d 'Also what happened from this time on: RFC 3339, seconds since the epoch, or so long ago (42m, 1h30m)' -r
complete -c rr -n "__fish_rr_using_subcommand system; and __fish_seen_subcommand_from events" -l stream -d 'Go on when what has happened is printed [default: true]' -r
complete -c rr -n "__fish_rr_using_subcommand system; and __fish_seen_subcommand_from events" -l until -d 'Only up to this time, and end then' -r
complete -c rr -n "__fish_rr_using_subcommand system; and __fish_seen_subcommand_from events" -s h -l help -d 'Print help'
complete -c rr -n "__fish_rr_using_subcommand system; and __fish_seen_subcommand_from doctor" -l json -d 'Print JSON'
complete -c rr -n "__fish_rr_using_subcommand system; and __fish_seen_subcommand_from doctor" -s h -l help -d 'Print help'
complete -c rr -n "__fish_rr_using_subcommand system; and __fish_seen_subcommand_from info" -s f -l format -d '`json`, or a Go template such as `{{.Driver}}`' -r
complete -c rr -n "__fish_rr_using_subcommand system; and __fish_seen_subcommand_from info" -s h -l help -d 'Print help'
complete -c rr -n "__fish_rr_using_subcommand system; and __fish_seen_subcommand_from prune" -l filter -d 'Only what matches: until=TIME, label=KEY[=VALUE], label!=KEY[=VALUE]' -r
complete -c rr -n "__fish_rr_using_subcommand system; and __fish_seen_subcommand_from prune" -s a -l all -d 'Remove all images that no container was made of, not only those without a name'
complete -c rr -n "__fish_rr_using_subcommand system; and __fish_seen_subcommand_from prune" -l volumes -d 'Remove anonymous volumes that no container has'
complete -c rr -n "__fish_rr_using_subcommand system; and __fish_seen_subcommand_from prune" -s f -l force -d 'Do not ask'
complete -c rr -n "__fish_rr_using_subcommand system; and __fish_seen_subcommand_from prune" -s h -l help -d 'Print help'
complete -c rr -n "__fish_rr_using_subcommand system; and __fish_seen_subcommand_from df" -l format -d '`table`, `table TEMPLATE`, `json` or a Go template' -r
complete -c rr -n "__fish_rr_using_subcommand system; and __fish_seen_subcommand_from df" -s v -l verbose -d 'Show each image, container and volume'
complete -c rr -n "__fish_rr_using_subcommand system; and __fish_seen_subcommand_from df" -s h -l help -d 'Print help'
complete -c rr -n "__fish_rr_using_subcommand system; and __fish_seen_subcommand_from reset" -s f -l force -d 'Do not ask'
complete -c rr -n "__fish_rr_using_subcommand system; and __fish_seen_subcommand_from reset" -s h -l help -d 'Print help'
complete -c rr -n "__fish_rr_using_subcommand volume; and not __fish_seen_subcommand_from create ls inspect rm prune exists export import" -f -a "create" -d 'Create a volume'
complete -c rr -n "__fish_rr_using_subcommand volume; and not __fish_seen_subcommand_from create ls inspect rm prune exists export import" -f -a "ls" -d 'List volumes'
complete -c rr -n "__fish_rr_using_subcommand volume; and not __fish_seen_subcommand_from create ls inspect rm prune exists export import" -f -a "inspect" -d 'Show everything about volumes'
complete -c rr -n "__fish_rr_using_subcommand volume; and not __fish_seen_subcommand_from create ls inspect rm prune exists export import" -f -a "rm" -d 'Remove one or more volumes that no container uses'
complete -c rr -n "__fish_rr_using_subcommand volume; and not __fish_seen_subcommand_from create ls inspect rm prune exists export import" -f -a "prune" -d 'Remove the anonymous volumes that no container uses'
complete -c rr -n "__fish_rr_using_subcommand volume; and not __fish_seen_subcommand_from create ls inspect rm prune exists export import" -f -a "exists" -d 'Tell by the exit status whether a volume exists: 0 if it does, 1 if not, 125 where that cannot be told'
complete -c rr -n "__fish_rr_using_subcommand volume; and not __fish_seen_subcommand_from create ls inspect rm prune exists export import" -f -a "export" -d 'Write the files of a volume to a tar archive'
complete -c rr -n "__fish_rr_using_subcommand volume; and not __fish_seen_subcommand_from create ls inspect rm prune exists export import" -f -a "import" -d 'Unpack a tar archive into a volume'
complete -c rr -n "__fish_rr_using_subcommand volume; and __fish_seen_subcommand_from create" -s d -l driver -d 'The volume\'s driver; rr has one [default: local]' -r
complete -c rr -n "__fish_rr_using_subcommand volume; and __fish_seen_subcommand_from create" -l label -d 'Set a label' -r
complete -c rr -n "__fish_rr_using_subcommand volume; and __fish_seen_subcommand_from create" -s o -l opt -d 'Set an option of the driver: type=none with o=bind and device=DIR, or type=tmpfs with o=size=…' -r
complete -c rr -n "__fish_rr_using_subcommand volume; and __fish_seen_subcommand_from create" -s h -l help -d 'Print help'
complete -c rr -n "__fish_rr_using_subcommand volume; and __fish_seen_subcommand_from ls" -s f -l filter -d 'Show only what matches: dangling, driver, label, label!, name' -r
complete -c rr -n "__fish_rr_using_subcommand volume; and __fish_seen_subcommand_from ls" -l format -d '`table`, `table TEMPLATE`, `json` or a Go template' -r
complete -c rr -n "__fish_rr_using_subcommand volume; and __fish_seen_subcommand_from ls" -s q -l quiet -d 'Show names only'
complete -c rr -n "__fish_rr_using_subcommand volume; and __fish_seen_subcommand_from ls" -s h -l help -d 'Print help'
complete -c rr -n "__fish_rr_using_subcommand volume; and __fish_seen_subcommand_from inspect" -s f -l format -d '`json` or a Go template, such as `{{.Mountpoint}}`' -r
complete -c rr -n "__fish_rr_using_subcommand volume; and __fish_seen_subcommand_from inspect" -s h -l help -d 'Print help'
complete -c rr -n "__fish_rr_using_subcommand volume; and __fish_seen_subcommand_from rm" -s f -l force -d 'One that does not exist is no failure'
complete -c rr -n "__fish_rr_using_subcommand volume; and __fish_seen_subcommand_from rm" -s h -l help -d 'Print help'
complete -c rr -n "__fish_rr_using_subcommand volume; and __fish_seen_subcommand_from prune" -l filter -d 'Remove only what matches: label, label!, all' -r
complete -c rr -n "__fish_rr_using_subcommand volume; and __fish_seen_subcommand_from prune" -s a -l all -d 'Remove all volumes that no container uses, not only the anonymous ones'
complete -c rr -n "__fish_rr_using_subcommand volume; and __fish_seen_subcommand_from prune" -s f -l force -d 'Do not ask'
complete -c rr -n "__fish_rr_using_subcommand volume; and __fish_seen_subcommand_from prune" -s h -l help -d 'Print help'
complete -c rr -n "__fish_rr_using_subcommand volume; and __fish_seen_subcommand_from exists" -s h -l help -d 'Print help'
complete -c rr -n "__fish_rr_using_subcommand volume; and __fish_seen_subcommand_from export" -s o -l output -d 'Write to a file instead of standard output' -r -F
complete -c rr -n "__fish_rr_using_subcommand volume; and __fish_seen_subcommand_from export" -s h -l help -d 'Print help'
complete -c rr -n "__fish_rr_using_subcommand volume; and __fish_seen_subcommand_from import" -s h -l help -d 'Print help'
