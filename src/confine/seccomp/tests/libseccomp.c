/* Compiles a profile with libseccomp and writes the program to standard output: what rr's own compiler
 * is compared with. Reads lines of words from standard input:
 *   default ACTION | arch ARCH | rule ACTION NAME [ARGUMENT OPERATOR A B]...
 * ACTION is a SECCOMP_RET_* value and OPERATOR one of enum scmp_compare, as numbers. Names that libseccomp
 * does not know go to standard error, one a line. */
#include <inttypes.h>
#include <seccomp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static scmp_filter_ctx filter;

static void check(int result, const char *what) {
    if (result < 0) {
        fprintf(stderr, "%s: %s\n", what, strerror(-result));
        exit(1);
    }
}

static void add_rule(char *words) {
    uint32_t action, argument, operator;
    uint64_t a, b;
    char name[64];
    int used, count = 0;
    struct scmp_arg_cmp conditions[6];

    if (sscanf(words, "%" SCNu32 " %63s%n", &action, name, &used) != 2)
        exit(2);
    for (words += used; count < 6; words += used) {
        if (sscanf(words, "%" SCNu32 " %" SCNu32 " %" SCNu64 " %" SCNu64 "%n", &argument, &operator, &a, &b, &used) != 4)
            break;
        conditions[count++] = (struct scmp_arg_cmp){argument, operator, a, b};
    }
    int number = seccomp_syscall_resolve_name(name);
    if (number == __NR_SCMP_ERROR) {
        fprintf(stderr, "%s\n", name);
        return;
    }
    check(seccomp_rule_add_array(filter, action, number, count, conditions), name);
}

int main(void) {
    char line[512], arch[64];
    uint32_t action;

    while (fgets(line, sizeof line, stdin)) {
        if (sscanf(line, "default %" SCNu32, &action) == 1) {
            if (!(filter = seccomp_init(action)))
                return 3;
            check(seccomp_arch_remove(filter, SCMP_ARCH_NATIVE), "native");
        } else if (sscanf(line, "arch %63s", arch) == 1) {
            check(seccomp_arch_add(filter, seccomp_arch_resolve_name(arch)), arch);
        } else if (!strncmp(line, "rule ", 5)) {
            add_rule(line + 5);
        } else {
            return 4;
        }
    }
    check(seccomp_export_bpf(filter, 1), "export");
    return 0;
}
