
use builtin;
use str;

set edit:completion:arg-completer[rr] = {|@words|
    fn spaces {|n|
        builtin:repeat $n ' ' | str:join ''
    }
    fn cand {|text desc|
        edit:complex-candidate $text &display=$text' '(spaces (- 14 (wcswidth $text)))$desc
    }
    var command = 'rr'
    for word $words[1..-1] {
        if (str:has-prefix $word '-') {
            break
        }
        set command = $command';'$word
    }
    var completions = [
        &'rr'= {
            cand --log-level 'What to log on standard error: trace, debug, info, warn or error [env: RR_LOG]'
            cand --config 'Directory of Docker''s client configuration with its credentials [env: DOCKER_CONFIG]'
            cand -D 'Show what rr does, stage by stage, on standard error (the same as `--log-level debug`)'
            cand --debug 'Show what rr does, stage by stage, on standard error (the same as `--log-level debug`)'
            cand -h 'Print help'
            cand --help 'Print help'
            cand -v 'Print the version'
            cand --version 'Print the version'
            cand run 'Create and run a new container from an image'
            cand ps 'List containers'
            cand rm 'Remove one or more containers'
            cand pull 'Download an image from a registry and unpack it'
            cand images 'List images'
            cand rmi 'Remove one or more images'
            cand tag 'Give an image another name'
            cand inspect 'Show everything about containers and images'
            cand info 'Show what rr has stored and what it finds on this machine'
            cand version 'Show the version of rr and of the machine it runs on'
            cand completion 'Print a completion script for a shell'
            cand man 'Write the man pages into a directory'
            cand container 'Manage containers'
            cand image 'Manage images'
            cand system 'Look at rr and this machine'
        }
        &'rr;run'= {
            cand --add-host 'Add a line to /etc/hosts; `host-gateway` stands for the host''s address'
            cand --cap-add 'Add a capability (ALL for every one)'
            cand --cap-drop 'Drop a capability (ALL for every one)'
            cand --cidfile 'Write the container''s id into a new file'
            cand --detach-keys 'Keys that detach from the terminal [default: ctrl-p,ctrl-q]'
            cand --dns 'Ask this name server instead of the host''s'
            cand --dns-option 'Set an option of resolv.conf(5)'
            cand --dns-opt 'Set an option of resolv.conf(5)'
            cand --dns-search 'Set a search domain'
            cand --entrypoint 'Replace the image''s entrypoint; an empty one resets it'
            cand -e 'Set a variable; a name alone takes its value from rr''s environment'
            cand --env 'Set a variable; a name alone takes its value from rr''s environment'
            cand --env-file 'Read variables from a file'
            cand --expose 'Note a port that the container listens on'
            cand --gidmap 'Map group ids (see --uidmap)'
            cand --group-add 'Add a supplementary group; keep-groups keeps the user''s own'
            cand -h 'Set the container''s host name'
            cand --hostname 'Set the container''s host name'
            cand -l 'Set a label'
            cand --label 'Set a label'
            cand --label-file 'Read labels from a file'
            cand --mount 'Mount something (type=bind|volume|tmpfs,source=…,target=…)'
            cand --name 'Name the container'
            cand --network 'none, host, private (pasta, else slirp4netns), pasta or slirp4netns [default: private]'
            cand --net 'none, host, private (pasta, else slirp4netns), pasta or slirp4netns [default: private]'
            cand --platform 'Choose the platform of a multi-platform image'
            cand --pull 'Pull the image: always, missing, never or newer [default: missing]'
            cand --rootfs 'Use a directory instead of an image; with `:O`, below an overlay that is thrown away'
            cand --security-opt 'no-new-privileges, seccomp=unconfined, systempaths=unconfined, label=…, apparmor=…'
            cand --shm-size 'Size of /dev/shm [default: 64m]'
            cand --sig-proxy 'Forward signals to the container [default: true]'
            cand --stop-signal 'Signal that asks the container to stop'
            cand --stop-timeout 'Seconds between that signal and SIGKILL [default: 10]'
            cand --tmpfs 'Mount a tmpfs'
            cand --uidmap 'Map user ids: 0 of the host''s side is the user, 1 the first subordinate id'
            cand --ulimit 'Set a resource limit'
            cand -u 'User inside'
            cand --user 'User inside'
            cand --userns 'auto, host, keep-id[:uid=N,gid=N] or nomap [default: auto]'
            cand -v 'Mount a directory of the host or a volume'
            cand --volume 'Mount a directory of the host or a volume'
            cand -w 'Directory to start in'
            cand --workdir 'Directory to start in'
            cand --init 'Run rr as process 1, to forward signals and reap orphans'
            cand -i 'Keep standard input open'
            cand --interactive 'Keep standard input open'
            cand --privileged 'Give every capability of the user namespace, no system-call filter, no masked paths'
            cand -q 'Print no progress of a pull'
            cand --quiet 'Print no progress of a pull'
            cand --read-only 'Mount the root file system read-only'
            cand --rm 'Remove the container when it ends'
            cand --strict-ids 'Fail where a file of the image belongs to an id that is not mapped, instead of giving it to root'
            cand -t 'Give the container a terminal'
            cand --tty 'Give the container a terminal'
            cand --help 'Print help'
        }
        &'rr;ps'= {
            cand -f 'Show only what matches: id, name, label, status, exited, ancestor, volume, network, before, since'
            cand --filter 'Show only what matches: id, name, label, status, exited, ancestor, volume, network, before, since'
            cand --format '`table`, `table TEMPLATE`, `json` or a Go template'
            cand -n 'Show the newest so many, whatever their state'
            cand --last 'Show the newest so many, whatever their state'
            cand -a 'Show all containers, not only the running ones'
            cand --all 'Show all containers, not only the running ones'
            cand -l 'Show the newest, whatever its state'
            cand --latest 'Show the newest, whatever its state'
            cand --no-trunc 'Show whole ids and commands'
            cand -q 'Show ids only'
            cand --quiet 'Show ids only'
            cand -s 'Show what each has written, and its size with its image'
            cand --size 'Show what each has written, and its size with its image'
            cand -h 'Print help'
            cand --help 'Print help'
        }
        &'rr;rm'= {
            cand -f 'Kill running containers first; one that does not exist is no failure'
            cand --force 'Kill running containers first; one that does not exist is no failure'
            cand -v 'Remove the containers'' anonymous volumes, which rr always does'
            cand --volumes 'Remove the containers'' anonymous volumes, which rr always does'
            cand -h 'Print help'
            cand --help 'Print help'
        }
        &'rr;pull'= {
            cand --platform 'Choose the platform of a multi-platform image'
            cand -q 'Print only the image''s name'
            cand --quiet 'Print only the image''s name'
            cand --strict-ids 'Fail where a file belongs to an id that is not mapped, instead of giving it to root'
            cand -h 'Print help'
            cand --help 'Print help'
        }
        &'rr;images'= {
            cand -f 'Show only what matches: dangling, label, reference, before, since'
            cand --filter 'Show only what matches: dangling, label, reference, before, since'
            cand --format '`table`, `table TEMPLATE`, `json` or a Go template'
            cand -a 'Show all images; rr keeps no intermediate ones, so this changes nothing'
            cand --all 'Show all images; rr keeps no intermediate ones, so this changes nothing'
            cand --digests 'Show digests'
            cand --no-trunc 'Show whole ids'
            cand -q 'Show ids only'
            cand --quiet 'Show ids only'
            cand -h 'Print help'
            cand --help 'Print help'
        }
        &'rr;rmi'= {
            cand -f 'Remove images that stopped containers use, and all names of an id'
            cand --force 'Remove images that stopped containers use, and all names of an id'
            cand --no-prune 'Accepted for Docker''s sake: rr keeps no untagged parents'
            cand -h 'Print help'
            cand --help 'Print help'
        }
        &'rr;tag'= {
            cand -h 'Print help'
            cand --help 'Print help'
        }
        &'rr;inspect'= {
            cand -f '`json` or a Go template, such as `{{.State.Status}}`'
            cand --format '`json` or a Go template, such as `{{.State.Status}}`'
            cand --type 'Look only among things of this type: container or image'
            cand -s 'Measure what containers have written'
            cand --size 'Measure what containers have written'
            cand -h 'Print help'
            cand --help 'Print help'
        }
        &'rr;info'= {
            cand -f '`json`, or a Go template such as `{{.Driver}}`'
            cand --format '`json`, or a Go template such as `{{.Driver}}`'
            cand -h 'Print help'
            cand --help 'Print help'
        }
        &'rr;version'= {
            cand -f '`json`, or a Go template such as `{{.Server.APIVersion}}`'
            cand --format '`json`, or a Go template such as `{{.Server.APIVersion}}`'
            cand -h 'Print help'
            cand --help 'Print help'
        }
        &'rr;completion'= {
            cand -h 'Print help'
            cand --help 'Print help'
        }
        &'rr;man'= {
            cand -h 'Print help'
            cand --help 'Print help'
        }
        &'rr;container'= {
            cand run 'Create and run a new container from an image'
            cand ls 'List containers'
            cand rm 'Remove one or more containers'
            cand inspect 'Show everything about containers'
        }
        &'rr;container;run'= {
            cand --add-host 'Add a line to /etc/hosts; `host-gateway` stands for the host''s address'
            cand --cap-add 'Add a capability (ALL for every one)'
            cand --cap-drop 'Drop a capability (ALL for every one)'
            cand --cidfile 'Write the container''s id into a new file'
            cand --detach-keys 'Keys that detach from the terminal [default: ctrl-p,ctrl-q]'
            cand --dns 'Ask this name server instead of the host''s'
            cand --dns-option 'Set an option of resolv.conf(5)'
            cand --dns-opt 'Set an option of resolv.conf(5)'
            cand --dns-search 'Set a search domain'
            cand --entrypoint 'Replace the image''s entrypoint; an empty one resets it'
            cand -e 'Set a variable; a name alone takes its value from rr''s environment'
            cand --env 'Set a variable; a name alone takes its value from rr''s environment'
            cand --env-file 'Read variables from a file'
            cand --expose 'Note a port that the container listens on'
            cand --gidmap 'Map group ids (see --uidmap)'
            cand --group-add 'Add a supplementary group; keep-groups keeps the user''s own'
            cand -h 'Set the container''s host name'
            cand --hostname 'Set the container''s host name'
            cand -l 'Set a label'
            cand --label 'Set a label'
            cand --label-file 'Read labels from a file'
            cand --mount 'Mount something (type=bind|volume|tmpfs,source=…,target=…)'
            cand --name 'Name the container'
            cand --network 'none, host, private (pasta, else slirp4netns), pasta or slirp4netns [default: private]'
            cand --net 'none, host, private (pasta, else slirp4netns), pasta or slirp4netns [default: private]'
            cand --platform 'Choose the platform of a multi-platform image'
            cand --pull 'Pull the image: always, missing, never or newer [default: missing]'
            cand --rootfs 'Use a directory instead of an image; with `:O`, below an overlay that is thrown away'
            cand --security-opt 'no-new-privileges, seccomp=unconfined, systempaths=unconfined, label=…, apparmor=…'
            cand --shm-size 'Size of /dev/shm [default: 64m]'
            cand --sig-proxy 'Forward signals to the container [default: true]'
            cand --stop-signal 'Signal that asks the container to stop'
            cand --stop-timeout 'Seconds between that signal and SIGKILL [default: 10]'
            cand --tmpfs 'Mount a tmpfs'
            cand --uidmap 'Map user ids: 0 of the host''s side is the user, 1 the first subordinate id'
            cand --ulimit 'Set a resource limit'
            cand -u 'User inside'
            cand --user 'User inside'
            cand --userns 'auto, host, keep-id[:uid=N,gid=N] or nomap [default: auto]'
            cand -v 'Mount a directory of the host or a volume'
            cand --volume 'Mount a directory of the host or a volume'
            cand -w 'Directory to start in'
            cand --workdir 'Directory to start in'
            cand --init 'Run rr as process 1, to forward signals and reap orphans'
            cand -i 'Keep standard input open'
            cand --interactive 'Keep standard input open'
            cand --privileged 'Give every capability of the user namespace, no system-call filter, no masked paths'
            cand -q 'Print no progress of a pull'
            cand --quiet 'Print no progress of a pull'
            cand --read-only 'Mount the root file system read-only'
            cand --rm 'Remove the container when it ends'
            cand --strict-ids 'Fail where a file of the image belongs to an id that is not mapped, instead of giving it to root'
            cand -t 'Give the container a terminal'
            cand --tty 'Give the container a terminal'
            cand --help 'Print help'
        }
        &'rr;container;ls'= {
            cand -f 'Show only what matches: id, name, label, status, exited, ancestor, volume, network, before, since'
            cand --filter 'Show only what matches: id, name, label, status, exited, ancestor, volume, network, before, since'
            cand --format '`table`, `table TEMPLATE`, `json` or a Go template'
            cand -n 'Show the newest so many, whatever their state'
            cand --last 'Show the newest so many, whatever their state'
            cand -a 'Show all containers, not only the running ones'
            cand --all 'Show all containers, not only the running ones'
            cand -l 'Show the newest, whatever its state'
            cand --latest 'Show the newest, whatever its state'
            cand --no-trunc 'Show whole ids and commands'
            cand -q 'Show ids only'
            cand --quiet 'Show ids only'
            cand -s 'Show what each has written, and its size with its image'
            cand --size 'Show what each has written, and its size with its image'
            cand -h 'Print help'
            cand --help 'Print help'
        }
        &'rr;container;rm'= {
            cand -f 'Kill running containers first; one that does not exist is no failure'
            cand --force 'Kill running containers first; one that does not exist is no failure'
            cand -v 'Remove the containers'' anonymous volumes, which rr always does'
            cand --volumes 'Remove the containers'' anonymous volumes, which rr always does'
            cand -h 'Print help'
            cand --help 'Print help'
        }
        &'rr;container;inspect'= {
            cand -f '`json` or a Go template, such as `{{.State.Status}}`'
            cand --format '`json` or a Go template, such as `{{.State.Status}}`'
            cand -s 'Measure what containers have written'
            cand --size 'Measure what containers have written'
            cand -h 'Print help'
            cand --help 'Print help'
        }
        &'rr;image'= {
            cand pull 'Download an image from a registry and unpack it'
            cand ls 'List images'
            cand rm 'Remove one or more images'
            cand tag 'Give an image another name'
            cand inspect 'Show everything about images'
        }
        &'rr;image;pull'= {
            cand --platform 'Choose the platform of a multi-platform image'
            cand -q 'Print only the image''s name'
            cand --quiet 'Print only the image''s name'
            cand --strict-ids 'Fail where a file belongs to an id that is not mapped, instead of giving it to root'
            cand -h 'Print help'
            cand --help 'Print help'
        }
        &'rr;image;ls'= {
            cand -f 'Show only what matches: dangling, label, reference, before, since'
            cand --filter 'Show only what matches: dangling, label, reference, before, since'
            cand --format '`table`, `table TEMPLATE`, `json` or a Go template'
            cand -a 'Show all images; rr keeps no intermediate ones, so this changes nothing'
            cand --all 'Show all images; rr keeps no intermediate ones, so this changes nothing'
            cand --digests 'Show digests'
            cand --no-trunc 'Show whole ids'
            cand -q 'Show ids only'
            cand --quiet 'Show ids only'
            cand -h 'Print help'
            cand --help 'Print help'
        }
        &'rr;image;rm'= {
            cand -f 'Remove images that stopped containers use, and all names of an id'
            cand --force 'Remove images that stopped containers use, and all names of an id'
            cand --no-prune 'Accepted for Docker''s sake: rr keeps no untagged parents'
            cand -h 'Print help'
            cand --help 'Print help'
        }
        &'rr;image;tag'= {
            cand -h 'Print help'
            cand --help 'Print help'
        }
        &'rr;image;inspect'= {
            cand -f '`json` or a Go template, such as `{{.State.Status}}`'
            cand --format '`json` or a Go template, such as `{{.State.Status}}`'
            cand -s 'Measure what containers have written'
            cand --size 'Measure what containers have written'
            cand -h 'Print help'
            cand --help 'Print help'
        }
        &'rr;system'= {
            cand info 'Show what rr has stored and what it finds on this machine'
        }
        &'rr;system;info'= {
            cand -f '`json`, or a Go template such as `{{.Driver}}`'
            cand --format '`json`, or a Go template such as `{{.Driver}}`'
            cand -h 'Print help'
            cand --help 'Print help'
        }
    ]
    $completions[$command]
}
