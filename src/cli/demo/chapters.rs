//! What `rr demo` shows, as data: a chapter more is an entry more in [`CHAPTERS`].
//!
//! In commands `{name}` is the container, `{image}` its image, `{port}` a port that is free, and what an earlier
//! [`Step::keep`] has named. Commands run in an empty directory that is the chapter's own; a chapter leaves no container.

/// One chapter, and one page of docs/tour.
pub struct Chapter {
    /// What `rr demo NAME` calls it.
    pub name: &'static str,
    /// Its heading.
    pub title: &'static str,
    /// What to know before, a paragraph each.
    pub text: &'static [&'static str],
    /// What is done, in order.
    pub steps: &'static [Step],
    /// Manual pages to read on in.
    pub manual: &'static str,
}

/// One command, or one on each side at the same time, and what to notice.
pub struct Step {
    /// Why it is done: a sentence before it.
    pub why: &'static str,
    /// What `sh -c` runs on this machine.
    pub host: Option<&'static str>,
    /// What `sh -c` runs in the container.
    pub inside: Option<&'static str>,
    /// What to notice in what it printed.
    pub notice: &'static str,
    /// What the last line of the machine's output is called in later commands.
    pub keep: Option<&'static str>,
    /// A program without which it is left out, which is said.
    pub needs: Option<(Side, &'static str)>,
    /// What its failure means.
    pub failure: OnFailure,
}

/// Where a command runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Side {
    /// This machine.
    Host,
    /// The container.
    Inside,
}

/// See [`Step::failure`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OnFailure {
    /// It is part of what is shown.
    Shown,
    /// There is nothing to show without it.
    Ends,
}

impl Step {
    const EMPTY: Step =
        Step { why: "", host: None, inside: None, notice: "", keep: None, needs: None, failure: OnFailure::Shown };
    /// What each chapter ends with.
    const REMOVE: Step =
        Step::host("rr rm -f {name}").why("The container has done its work; `rr rm -f` ends and removes it:");
    /// Which process the container is.
    const PID: Step = Step::host("rr inspect -f '{{.State.Pid}}' {name}").keep("pid");

    const fn host(command: &'static str) -> Step {
        Step { host: Some(command), ..Step::EMPTY }
    }

    const fn inside(command: &'static str) -> Step {
        Step { inside: Some(command), ..Step::EMPTY }
    }

    const fn both(host: &'static str, inside: &'static str) -> Step {
        Step { host: Some(host), inside: Some(inside), ..Step::EMPTY }
    }

    /// A command that starts the chapter's container.
    const fn start(command: &'static str) -> Step {
        Step { host: Some(command), failure: OnFailure::Ends, ..Step::EMPTY }
    }

    const fn why(self, why: &'static str) -> Step {
        Step { why, ..self }
    }

    const fn notice(self, notice: &'static str) -> Step {
        Step { notice, ..self }
    }

    const fn keep(self, name: &'static str) -> Step {
        Step { keep: Some(name), ..self }
    }

    const fn needs(self, side: Side, program: &'static str) -> Step {
        Step { needs: Some((side, program)), ..self }
    }
}

/// The tour, in its order.
pub const CHAPTERS: &[Chapter] = &[USER, MOUNT, PID, UTS, IPC, NETWORK, LAYERS, PIVOT];

const USER: Chapter = Chapter {
    name: "user",
    title: "User: root inside, yourself outside",
    text: &[
        "Every process has a user id, a number, and whenever something has to be allowed the kernel looks at it. \
         Id 0 is root, who may do nearly everything.",
        "A user namespace gives some processes a list of ids of their own, and the kernel translates between that list \
         and the machine's. What is 0 in the list can be you on the machine: you are root in there, over what is in \
         there, and have gained nothing outside. That is how containers work for people without root.",
    ],
    steps: &[
        Step::start("rr run -d --rm --name {name} -v \"$PWD:/work\" {image} sleep 3600")
            .why("A container that sleeps for an hour, with the present directory of this machine at `/work`:")
            .notice("The long number is the container's id. Its name will do from here on."),
        Step::both("id -u", "id -u")
            .why("Who are you?")
            .notice("Outside you are an ordinary user, inside you are 0, which is root."),
        Step::both("readlink /proc/self/ns/user", "readlink /proc/self/ns/user").notice(
            "Each namespace has a number, and `/proc/PID/ns` shows those of a process. The two numbers differ: these \
             are two user namespaces.",
        ),
        Step::PID.why("The container's `sleep` is a process of this machine, too. Which one?"),
        Step::host("cat /proc/{pid}/uid_map").why("And this is its list of ids:").notice(
            "Read each line as: first id inside, first id outside, how many. Id 0 inside is you. The ids from 1 on are \
             those that `/etc/subuid` sets aside for you on this machine; no other user has them.",
        ),
        Step::host("stat -c %u /proc/{pid}")
            .notice("So the process that is root inside belongs to you outside, and may do here what you may do."),
        Step::inside("cd /work && touch by-root by-mail && chown mail by-mail").why(
            "The same holds for files. Root makes two in the shared directory and gives one to another user of the \
             container, `mail`:",
        ),
        Step::both("stat -c '%n %u' by-*", "cd /work && stat -c '%n %u' by-*").notice(
            "The same two files with two owners each. What root made is yours; what is `mail`'s (8) belongs to the \
             eighth of your further ids.",
        ),
        Step::inside("mknod /tmp/disk b 8 0").why("Now root inside wants to open the machine's first disk:").notice(
            "Refused. Root of a namespace has power over what belongs to that namespace, and the disk is the machine's.",
        ),
        Step::REMOVE,
    ],
    manual: "user_namespaces(7), subuid(5), newuidmap(1), capabilities(7)",
};

const MOUNT: Chapter = Chapter {
    name: "mount",
    title: "Mount: a file system that only one side has",
    text: &[
        "To mount is to attach a file system to a directory: a disk, a stick, a piece of memory. From then on the \
         directory shows what is in it. The kernel keeps a table of all mounts.",
        "A mount namespace is a table of its own. Two processes in two of them can look at the same directory and see \
         different files.",
    ],
    steps: &[
        Step::host("mkdir box && rr unshare --mount sh -c '\n  mount -t tmpfs none box\n  echo hidden >box/note\n  ls box'")
            .why(
                "First without a container. `rr unshare --mount` runs a command with a mount table of its own. It mounts a \
                 file system in memory (`tmpfs`) on the directory `box` and puts a file there:",
            ),
        Step::host("ls -A box").why("The same directory, as everybody else sees it:").notice(
            "Nothing is printed, because nothing is there. The mount was in the other table, and went with the last \
             process that used that table.",
        ),
        Step::start("rr run -d --rm --name {name} --tmpfs /secret {image} sleep 3600")
            .why("A container is made in the same way. This one gets a `tmpfs` at `/secret`:"),
        Step::both("grep -c ' /secret ' /proc/mounts", "grep -c ' /secret ' /proc/mounts")
            .why("`/proc/mounts` is the table; `grep -c` counts lines:")
            .notice("The mount exists on one side only."),
        Step::both("readlink /proc/self/ns/mnt", "readlink /proc/self/ns/mnt").notice("Two tables, two numbers."),
        Step::inside("grep -o '[a-z]*dir+*=/[^,]*' /proc/mounts")
            .why("The first entry of the container's table is its root directory, and it is an `overlay`, a stack of directories:")
            .notice(
                "The `lowerdir`s are only read: the image's layers, and at the bottom one of rr's own with empty files to mount \
                 on. `upperdir` takes all that the container writes, `workdir` is overlay's own. Each name is a directory \
                 that rr held open while it mounted them; the chapter `layers` looks into them.",
            ),
        Step::REMOVE,
    ],
    manual: "mount_namespaces(7), mount(8), tmpfs(5), proc_pid_mounts(5)",
};

const PID: Chapter = Chapter {
    name: "pid",
    title: "PID: one process, two numbers",
    text: &[
        "Every process has a number, its pid, and whoever knows the number can look at the process or, if allowed, end it.",
        "A pid namespace numbers its processes anew, from 1. Those inside see each other and nobody else. Those outside \
         see them too, by other numbers.",
    ],
    steps: &[
        Step::start("rr run -d --name {name} {image} sleep 3600").why("A container that sleeps:"),
        Step::inside("ps -o pid,args")
            .needs(Side::Inside, "ps")
            .why("All the processes there are, as the container sees it:")
            .notice("The container's own command is process 1, and beside it there is only `ps` itself."),
        Step::PID.why("Its number on this machine:"),
        Step::both("grep NSpid /proc/{pid}/status", "grep NSpid /proc/1/status").notice(
            "This is one and the same process. Outside its line has all its numbers: this machine's first, its own \
             namespace's last. (The one in between is that of rr's monitor, the process that looks after the container in a \
             namespace around it.) Inside nothing but the 1 is known.",
        ),
        Step::inside("kill -9 1; echo still here").why("Inside, root tries to end process 1, by the signal that nobody can ignore:").notice(
            "Nothing happens: from inside its namespace, process 1 cannot be killed. It is what all others depend on.",
        ),
        Step::host("rr unshare --pid --mount sh -c 'echo I am process $$; ls -d /proc/[0-9]*'")
            .why("It does not take a container. `rr unshare --pid --mount` gives a shell a pid namespace and a `/proc` that shows it:"),
        Step::host("kill -9 {pid} && rr wait {name}")
            .why("From outside, by its number outside, the container's process 1 is yours to end:")
            .notice(
                "Its end is 137, which is 128 and the signal's number, 9. When process 1 ends, the kernel ends every other \
                 process of its namespace: no container leaves processes behind.",
            ),
        Step::REMOVE,
    ],
    manual: "pid_namespaces(7), kill(2), proc(5)",
};

const UTS: Chapter = Chapter {
    name: "uts",
    title: "UTS: two names for one machine",
    text: &[
        "A machine has a name, which it shows in prompts and logs. A UTS namespace has a name of its own (the letters \
         are those of an old structure in Unix that holds it).",
    ],
    steps: &[
        Step::start("rr run -d --rm --name {name} --hostname kitchen {image} sleep 3600").why("A container that is to be called kitchen:"),
        Step::both("uname -n", "uname -n").why("`uname -n` prints the name:"),
        Step::both("readlink /proc/self/ns/uts", "readlink /proc/self/ns/uts").notice("Two namespaces, two names, one machine."),
        Step::host("rr unshare --uts sh -c 'hostname classroom; uname -n'")
            .needs(Side::Host, "hostname")
            .why("To change the name is root's business. In a namespace of your own you are root:"),
        Step::host("uname -n").notice("This machine has kept its name."),
        Step::inside("hostname attic")
            .needs(Side::Inside, "hostname")
            .why("And inside the container?")
            .notice(
                "Refused, though it is root who asks: a container's root does not have all of root's powers, only those \
                 that Docker's containers have. The power to change the name (CAP_SYS_ADMIN) opens too many other doors.",
            ),
        Step::REMOVE,
    ],
    manual: "uts_namespaces(7), hostname(1), capabilities(7)",
};

const IPC: Chapter = Chapter {
    name: "ipc",
    title: "IPC: memory that the other side cannot see",
    text: &[
        "Processes can talk to each other through pieces of memory that they share, and through message queues. Both are \
         found by a number or a name, and both stay until somebody removes them.",
        "An IPC namespace has its own (the letters stand for interprocess communication). A program inside cannot find, \
         read or fill up what programs outside have shared.",
    ],
    steps: &[
        Step::start("rr run -d --rm --name {name} {image} sleep 3600").why("A container that sleeps:"),
        Step::both("readlink /proc/self/ns/ipc", "readlink /proc/self/ns/ipc"),
        Step::host("rr unshare --ipc sh -c 'ipcmk -M 1234; grep -c \" 1234 \" /proc/sysvipc/shm'")
            .needs(Side::Host, "ipcmk")
            .why(
                "In another namespace `ipcmk -M` makes a shared piece of memory of 1234 bytes. `/proc/sysvipc/shm` lists all \
                 of them, and `grep -c` counts those of this size:",
            )
            .notice("There it is."),
        Step::both("grep -c ' 1234 ' /proc/sysvipc/shm", "grep -c ' 1234 ' /proc/sysvipc/shm")
            .notice("Neither this machine's list nor the container's has it."),
        Step::inside("touch /dev/mqueue/letters && ls /dev/mqueue").why("Now the container makes a message queue with the name letters:"),
        Step::host("test -e /dev/mqueue/letters && echo there || echo not there")
            .notice("Outside no such queue exists. It will go with the container's namespace."),
        Step::REMOVE,
    ],
    manual: "ipc_namespaces(7), sysvipc(7), mq_overview(7), ipcs(1)",
};

const NETWORK: Chapter = Chapter {
    name: "network",
    title: "Network: the same port, taken twice",
    text: &[
        "A program that offers something on a network listens on a port, a number. On one address each port can be taken \
         once; whoever comes second is refused.",
        "A network namespace has its own interfaces, addresses, routes and ports. A new one has nothing but `lo`, \
         through which programs of one machine talk to each other.",
    ],
    steps: &[
        Step::start("rr run -d --rm --name {name} {image} sleep 3600").why("A container that sleeps:"),
        Step::both("readlink /proc/self/ns/net", "readlink /proc/self/ns/net"),
        Step::both("ls /sys/class/net", "ls /sys/class/net").why("The interfaces of the two:").notice(
            "The container has a `lo` of its own. Its `eth0` leads to rr, which carries what the container sends to the \
             outside, in your name.",
        ),
        Step::start(
            "rr run -d --rm --name {name}-host --network host {image} sh -c '\n  echo this machine | nc -l -s 127.0.0.1 -p {port}'",
        )
        .needs(Side::Inside, "nc")
        .why(
            "Now somebody listens on this machine. It is a container as well, so that everybody has the program for it \
             (`nc`), but with `--network host`: it has no network namespace and is on this machine's network.",
        ),
        Step::host("rr exec {name}-host sh -c 'until netstat -ltn | grep :{port}; do sleep 1; done'")
            .needs(Side::Inside, "nc")
            .notice("`netstat` lists who listens: on this machine the port is taken."),
        Step::host("rr run --rm --network host {image} nc -l -s 127.0.0.1 -p {port}")
            .needs(Side::Inside, "nc")
            .why("Whoever else wants it on this machine is refused:"),
        Step::inside("(echo the container | nc -l -s 127.0.0.1 -p {port}) >/dev/null 2>&1 &\nuntil netstat -ltn | grep :{port}; do sleep 1; done")
            .needs(Side::Inside, "nc")
            .why("In the container, which has ports of its own, it is free, the address being the same:"),
        Step::both("rr run --rm --network host {image} nc 127.0.0.1 {port}", "nc 127.0.0.1 {port}")
            .needs(Side::Inside, "nc")
            .why("Who answers there?")
            .notice("One address and one port, and two programs behind them. Which one answers depends on who asks."),
        Step::REMOVE,
    ],
    manual: "network_namespaces(7), ip(8), netstat(8), veth(4)",
};

const LAYERS: Chapter = Chapter {
    name: "layers",
    title: "Layers: everybody's files, and one's own changes",
    text: &[
        "An image is a stack of layers, directories that are never changed once they are there. A hundred containers of \
         one image use the same files.",
        "The kernel's overlay shows layers as one directory, with an empty one on top for each container. What is written \
         goes there. A file from below is copied up when it is changed for the first time: copy on write.",
    ],
    steps: &[
        Step::start("rr run -d --rm --name {name} {image} sleep 3600").why("A container that sleeps:"),
        Step::inside("rm /etc/motd && echo hello >/etc/hello && echo '# mine' >>/etc/profile")
            .why("It removes a file of the image, makes a new one and adds a line to a third:"),
        Step::both("rr run --rm {image} ls /etc/motd /etc/hello", "ls /etc/motd /etc/hello")
            .why("A second container of the same image, started here, beside the first:")
            .notice("The image is as it was. What the first one did is the first one's."),
        Step::host("rr diff {name}")
            .why("`rr diff` says what has changed:")
            .notice("A is added, C changed, D deleted."),
        Step::host("cd \"$(rr inspect -f '{{.GraphDriver.Data.UpperDir}}' {name})/etc\" &&\n  stat -c '%F, %n' hello motd profile")
            .why("All of this lies in the container's upper directory, which belongs to you and can be looked at:")
            .notice(
                "The new file; the changed one, all of it, since it was copied up as a whole; and in place of the deleted \
                 one a device with the number 0, which tells overlay to hide what is below. It is called a whiteout.",
            ),
        Step::REMOVE,
    ],
    manual: "mount(8), section \"Mount options for overlay\"; the kernel's Documentation/filesystems/overlayfs.rst",
};

const PIVOT: Chapter = Chapter {
    name: "pivot",
    title: "pivot_root: why chroot is not enough",
    text: &[
        "chroot is older than Linux: it makes a directory the `/` of a process. It changes nothing but what this one \
         process calls `/`. The machine's root directory is still there, at the top of the mount table.",
        "pivot_root exchanges the top of the mount table itself. After that the old root can be unmounted, and then \
         there is nothing left to get out to. It takes a mount namespace of one's own, and it is what rr uses.",
    ],
    steps: &[
        Step::start("rr run -d --rm --name {name} {image} sleep 3600").why("A container that sleeps:"),
        Step::host("mkdir root && rr export {name} | tar -x -C root && ls root")
            .needs(Side::Host, "tar")
            .why("Its files, as a plain directory of this machine:"),
        Step::host("rr unshare sh -c '\n  mount --rbind /proc root/proc\n  exec chroot root head -n 1 /etc/os-release'")
            .needs(Side::Host, "tar")
            .why("chroot makes it the root of one command, and that seems to be a container:"),
        Step::host(
            "rr unshare sh -c '\n  mount --rbind /proc root/proc\n  exec chroot root \\\n    nsenter -m/proc/self/ns/mnt head -n 1 /etc/os-release'",
        )
        .needs(Side::Inside, "nsenter")
        .why(
            "But now `nsenter` in there enters a mount namespace, the one in which it is already. Whoever enters one begins \
             at the top of its table:",
        )
        .notice("Out it is: these are this machine's files again."),
        Step::host(
            "rr unshare sh -c '\n  mount --rbind root root && cd root\n  mount --rbind /proc proc\n  pivot_root . mnt && umount -l /mnt\n  exec nsenter -m/proc/self/ns/mnt head -n 1 /etc/os-release'",
        )
        .needs(Side::Inside, "nsenter")
        .why(
            "The same with pivot_root. The directory becomes a mount, since it is to be the top of the table; the old root moves \
             to `/mnt` and is unmounted:",
        )
        .notice("The way out that worked before leads to where one is: there is no other root any more."),
        Step::host("rr run --rm --privileged {image} nsenter -m/proc/self/ns/mnt head -n 1 /etc/os-release")
            .needs(Side::Inside, "nsenter")
            .why("rr has done just that for its containers, even for one that gets every power there is to give:"),
        Step::REMOVE,
    ],
    manual: "chroot(2), pivot_root(2), setns(2), mount_namespaces(7)",
};
