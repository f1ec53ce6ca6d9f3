    0  ld   arch
    1  jeq  x86_64                           ? 2 : 131
x86_64, x32:
    2  ld   nr
    3  jge  0x40000084 utime                 ? 65 : 4
    4  jge  0x149 pkey_mprotect              ? 38 : 5
    5  jge  0xfb ioprio_set                  ? 24 : 6
    6  jge  0xa3 acct                        ? 17 : 7
    7  jge  0x89 statfs                      ? 12 : 8
    8  jge  0x86 uselib                      ? 11 : 9
    9  jeq  0x67 syslog                      ? 228 : 10
   10  jeq  0x38 clone                       ? 128 : 227
   11  jeq  0x87 personality                 ? 120 : 228
   12  jge  0x9b pivot_root                  ? 15 : 13
   13  jeq  0x99 vhangup                     ? 228 : 14
   14  jeq  0x8b sysfs                       ? 228 : 227
   15  jge  0x9d prctl                       ? 16 : 228
   16  jeq  0xa1 chroot                      ? 228 : 227
   17  jge  0xec vserver                     ? 21 : 18
   18  jge  0xba gettid                      ? 19 : 228
   19  jeq  0xe3 clock_settime               ? 228 : 20
   20  jeq  0xd4 lookup_dcookie              ? 228 : 227
   21  jge  0xf0 mq_open                     ? 22 : 228
   22  jge  0xf8 add_key                     ? 228 : 23
   23  jeq  0xf6 kexec_load                  ? 228 : 227
   24  jge  0x12c fanotify_init              ? 29 : 25
   25  jeq  0x12a perf_event_open            ? 228 : 26
   26  jeq  0x117 move_pages                 ? 228 : 27
   27  jeq  0x110 unshare                    ? 228 : 28
   28  jeq  0x100 migrate_pages              ? 228 : 227
   29  jge  0x136 process_vm_readv           ? 34 : 30
   30  jge  0x12f name_to_handle_at          ? 32 : 31
   31  jge  0x12d fanotify_mark              ? 227 : 228
   32  jge  0x131 clock_adjtime              ? 33 : 228
   33  jeq  0x134 setns                      ? 228 : 227
   34  jge  0x140 kexec_file_load            ? 36 : 35
   35  jge  0x13a sched_setattr              ? 227 : 228
   36  jge  0x144 membarrier                 ? 227 : 37
   37  jeq  0x142 execveat                   ? 227 : 228
   38  jge  0x4000000f                       ? 52 : 39
   39  jge  0x1b2 pidfd_open                 ? 44 : 40
   40  jge  0x14f uretprobe                  ? 42 : 41
   41  jge  0x14c statx                      ? 227 : 228
   42  jge  0x1a8 pidfd_send_signal          ? 43 : 228
   43  jge  0x1ac open_tree                  ? 228 : 227
   44  jge  0x1ba mount_setattr              ? 48 : 45
   45  jeq  0x1b8 process_madvise            ? 228 : 46
   46  jeq  0x1b6 pidfd_getfd                ? 228 : 47
   47  jeq  0x1b3 clone3                     ? 217 : 227
   48  jge  0x1c2 set_mempolicy_home_node    ? 50 : 49
   49  jge  0x1bc landlock_create_ruleset    ? 227 : 228
   50  jge  0x40000000 read                  ? 51 : 217
   51  jeq  0x4000000d                       ? 228 : 227
   52  jge  0x40000039 fork                  ? 60 : 53
   53  jge  0x4000002d                       ? 57 : 54
   54  jge  0x40000013                       ? 56 : 55
   55  jge  0x40000011 pread64               ? 227 : 228
   56  jge  0x40000015 access                ? 227 : 228
   57  jge  0x40000036                       ? 59 : 58
   58  jge  0x40000030 shutdown              ? 227 : 228
   59  jge  0x40000038 clone                 ? 224 : 228
   60  jge  0x4000007f                       ? 64 : 61
   61  jeq  0x40000067 syslog                ? 228 : 62
   62  jeq  0x40000065                       ? 228 : 63
   63  jeq  0x4000003b                       ? 228 : 227
   64  jeq  0x40000082 rt_sigsuspend         ? 227 : 228
   65  jge  0x4000012d fanotify_mark         ? 95 : 66
   66  jge  0x400000d8 remap_file_pages      ? 82 : 67
   67  jge  0x400000a3 acct                  ? 76 : 68
   68  jge  0x40000089 statfs                ? 71 : 69
   69  jge  0x40000086                       ? 70 : 227
   70  jeq  0x40000087 personality           ? 218 : 228
   71  jge  0x4000009b pivot_root            ? 74 : 72
   72  jeq  0x40000099 vhangup               ? 228 : 73
   73  jeq  0x4000008b sysfs                 ? 228 : 227
   74  jge  0x4000009d prctl                 ? 75 : 228
   75  jeq  0x400000a1 chroot                ? 228 : 227
   76  jge  0x400000cd                       ? 78 : 77
   77  jge  0x400000ba gettid                ? 227 : 228
   78  jge  0x400000cf io_destroy            ? 79 : 228
   79  jge  0x400000d3                       ? 81 : 80
   80  jeq  0x400000d1                       ? 228 : 227
   81  jeq  0x400000d5 epoll_create          ? 227 : 228
   82  jge  0x40000110 unshare               ? 91 : 83
   83  jge  0x400000f0 mq_open               ? 87 : 84
   84  jge  0x400000ec                       ? 228 : 85
   85  jeq  0x400000e3 clock_settime         ? 228 : 86
   86  jeq  0x400000de                       ? 228 : 227
   87  jge  0x400000f6                       ? 89 : 88
   88  jeq  0x400000f4                       ? 228 : 227
   89  jge  0x400000fb ioprio_set            ? 90 : 228
   90  jeq  0x40000100 migrate_pages         ? 228 : 227
   91  jge  0x40000116                       ? 93 : 92
   92  jge  0x40000113 splice                ? 227 : 228
   93  jge  0x40000118 utimensat             ? 94 : 228
   94  jge  0x40000127                       ? 228 : 227
   95  jge  0x400001a8 pidfd_send_signal     ? 106 : 96
   96  jge  0x40000140 kexec_file_load       ? 102 : 97
   97  jge  0x40000131 clock_adjtime         ? 99 : 98
   98  jge  0x4000012f name_to_handle_at     ? 228 : 227
   99  jge  0x40000133                       ? 100 : 227
  100  jge  0x4000013a sched_setattr         ? 227 : 101
  101  jeq  0x40000135 getcpu                ? 227 : 228
  102  jge  0x40000147                       ? 104 : 103
  103  jge  0x40000144 membarrier            ? 227 : 228
  104  jge  0x4000014c statx                 ? 105 : 228
  105  jge  0x4000014f uretprobe             ? 228 : 227
  106  jge  0x400001ba mount_setattr         ? 112 : 107
  107  jge  0x400001b2 pidfd_open            ? 109 : 108
  108  jge  0x400001ac open_tree             ? 228 : 227
  109  jeq  0x400001b8 process_madvise       ? 228 : 110
  110  jeq  0x400001b6 pidfd_getfd           ? 228 : 111
  111  jeq  0x400001b3 clone3                ? 217 : 227
  112  jge  0x40000200 rt_sigaction          ? 115 : 113
  113  jge  0x400001bc landlock_create_ruleset ? 114 : 228
  114  jge  0x400001c2 set_mempolicy_home_node ? 217 : 227
  115  jge  0x4000021b process_vm_readv      ? 118 : 116
  116  jeq  0x40000215 move_pages            ? 228 : 117
  117  jeq  0x40000210 kexec_load            ? 228 : 227
  118  jge  0x4000021d setsockopt            ? 119 : 228
  119  jge  0x40000224                       ? 217 : 227
  120  ld   arg0.upper
  121  jeq  0                                ? 122 : 228
  122  ld   arg0.lower
  123  jeq  0                                ? 227 : 124
  124  jeq  8                                ? 227 : 125
  125  jeq  0x20000                          ? 227 : 126
  126  jeq  0x20008                          ? 227 : 127
  127  jeq  0xffffffff                       ? 227 : 228
  128  ld   arg0.lower
  129  and  0x7e020000
  130  jeq  0                                ? 227 : 228
  131  jeq  x86                              ? 132 : 229
x86:
  132  ld   nr
  133  jge  0x8a setfsuid                    ? 173 : 134
  134  jge  0x48 sigsuspend                  ? 154 : 135
  135  jge  0x24 sync                        ? 144 : 136
  136  jge  0x17 setuid                      ? 140 : 137
  137  jge  0x13 lseek                       ? 139 : 138
  138  jge  0x11 break                       ? 228 : 227
  139  jge  0x15 mount                       ? 228 : 227
  140  jge  0x1f stty                        ? 143 : 141
  141  jeq  0x1c oldfstat                    ? 228 : 142
  142  jeq  0x19 stime                       ? 228 : 227
  143  jeq  0x21 access                      ? 227 : 228
  144  jge  0x3a ulimit                      ? 150 : 145
  145  jge  0x33 acct                        ? 148 : 146
  146  jeq  0x30 signal                      ? 228 : 147
  147  jeq  0x2c prof                        ? 228 : 227
  148  jge  0x36 ioctl                       ? 149 : 228
  149  jeq  0x38 mpx                         ? 228 : 227
  150  jge  0x43 sigaction                   ? 153 : 151
  151  jge  0x3f dup2                        ? 227 : 152
  152  jeq  0x3c umask                       ? 227 : 228
  153  jge  0x46 setreuid                    ? 227 : 228
  154  jge  0x67 syslog                      ? 162 : 155
  155  jge  0x56 uselib                      ? 159 : 156
  156  jge  0x4b setrlimit                   ? 157 : 228
  157  jeq  0x54 oldlstat                    ? 228 : 158
  158  jeq  0x4f settimeofday                ? 228 : 227
  159  jge  0x5a mmap                        ? 160 : 228
  160  jeq  0x65 ioperm                      ? 228 : 161
  161  jeq  0x62 profil                      ? 228 : 227
  162  jge  0x79 setdomainname               ? 168 : 163
  163  jge  0x6d olduname                    ? 165 : 164
  164  jge  0x68 setitimer                   ? 227 : 228
  165  jge  0x74 sysinfo                     ? 167 : 166
  166  jeq  0x72 wait4                       ? 227 : 228
  167  jge  0x78 clone                       ? 224 : 227
  168  jge  0x7f create_module               ? 170 : 169
  169  jge  0x7a uname                       ? 227 : 228
  170  jge  0x86 bdflush                     ? 172 : 171
  171  jge  0x84 getpgid                     ? 227 : 228
  172  jeq  0x88 personality                 ? 218 : 228
  173  jge  0x13e getcpu                     ? 195 : 174
  174  jge  0x108 clock_settime              ? 186 : 175
  175  jge  0xbe vfork                       ? 181 : 176
  176  jge  0xaa setresgid                   ? 180 : 177
  177  jge  0xa6 vm86                        ? 179 : 178
  178  jeq  0x95 _sysctl                     ? 228 : 227
  179  jeq  0xa8 poll                        ? 227 : 228
  180  jge  0xbc getpmsg                     ? 228 : 227
  181  jge  0xe0 gettid                      ? 184 : 182
  182  jge  0xde                             ? 228 : 183
  183  jeq  0xd9 pivot_root                  ? 228 : 227
  184  jeq  0xfd lookup_dcookie              ? 228 : 185
  185  jeq  0xfb                             ? 228 : 227
  186  jge  0x121 ioprio_set                 ? 192 : 187
  187  jge  0x115 mq_open                    ? 190 : 188
  188  jge  0x109 clock_gettime              ? 189 : 228
  189  jge  0x111 vserver                    ? 228 : 227
  190  jge  0x11d                            ? 228 : 191
  191  jeq  0x11b kexec_load                 ? 228 : 227
  192  jge  0x13d move_pages                 ? 228 : 193
  193  jeq  0x136 unshare                    ? 228 : 194
  194  jeq  0x126 migrate_pages              ? 228 : 227
  195  jge  0x189 semget                     ? 207 : 196
  196  jge  0x15f sched_setattr              ? 202 : 197
  197  jge  0x155 name_to_handle_at          ? 200 : 198
  198  jeq  0x152 fanotify_init              ? 228 : 199
  199  jeq  0x150 perf_event_open            ? 228 : 227
  200  jge  0x157 clock_adjtime              ? 201 : 228
  201  jge  0x15a setns                      ? 228 : 227
  202  jge  0x17c pkey_mprotect              ? 205 : 203
  203  jeq  0x176 userfaultfd                ? 228 : 204
  204  jeq  0x165 bpf                        ? 228 : 227
  205  jge  0x17f statx                      ? 206 : 228
  206  jge  0x183                            ? 228 : 227
  207  jge  0x1b2 pidfd_open                 ? 211 : 208
  208  jge  0x1ac open_tree                  ? 228 : 209
  209  jeq  0x19f                            ? 228 : 210
  210  jeq  0x194 clock_settime64            ? 228 : 227
  211  jge  0x1b8 process_madvise            ? 214 : 212
  212  jeq  0x1b6 pidfd_getfd                ? 228 : 213
  213  jeq  0x1b3 clone3                     ? 217 : 227
  214  jge  0x1bc landlock_create_ruleset    ? 216 : 215
  215  jeq  0x1b9 epoll_pwait2               ? 227 : 228
  216  jge  0x1c2 set_mempolicy_home_node    ? 217 : 227
  217  ret  ERRNO ENOSYS (not implemented by this kernel)
  218  ld   arg0.lower
  219  jeq  0                                ? 227 : 220
  220  jeq  8                                ? 227 : 221
  221  jeq  0x20000                          ? 227 : 222
  222  jeq  0x20008                          ? 227 : 223
  223  jeq  0xffffffff                       ? 227 : 228
  224  ld   arg0.lower
  225  and  0x7e020000
  226  jeq  0                                ? 227 : 228
  227  ret  ALLOW
  228  ret  ERRNO EPERM (operation not permitted)
  229  ret  KILL_THREAD
