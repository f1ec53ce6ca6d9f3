    0  ld   arch
    1  jeq  x86_64                           ? 2 : 131
x86_64, x32:
    2  ld   nr
    3  jge  0x40000084 utime                 ? 65 : 4
    4  jge  329 pkey_mprotect                ? 38 : 5
    5  jge  251 ioprio_set                   ? 24 : 6
    6  jge  163 acct                         ? 17 : 7
    7  jge  137 statfs                       ? 12 : 8
    8  jge  134 uselib                       ? 11 : 9
    9  jeq  103 syslog                       ? 228 : 10
   10  jeq  56 clone                         ? 128 : 227
   11  jeq  135 personality                  ? 120 : 228
   12  jge  155 pivot_root                   ? 15 : 13
   13  jeq  153 vhangup                      ? 228 : 14
   14  jeq  139 sysfs                        ? 228 : 227
   15  jge  157 prctl                        ? 16 : 228
   16  jeq  161 chroot                       ? 228 : 227
   17  jge  236 vserver                      ? 21 : 18
   18  jge  186 gettid                       ? 19 : 228
   19  jeq  227 clock_settime                ? 228 : 20
   20  jeq  212 lookup_dcookie               ? 228 : 227
   21  jge  240 mq_open                      ? 22 : 228
   22  jge  248 add_key                      ? 228 : 23
   23  jeq  246 kexec_load                   ? 228 : 227
   24  jge  300 fanotify_init                ? 29 : 25
   25  jeq  298 perf_event_open              ? 228 : 26
   26  jeq  279 move_pages                   ? 228 : 27
   27  jeq  272 unshare                      ? 228 : 28
   28  jeq  256 migrate_pages                ? 228 : 227
   29  jge  310 process_vm_readv             ? 34 : 30
   30  jge  303 name_to_handle_at            ? 32 : 31
   31  jge  301 fanotify_mark                ? 227 : 228
   32  jge  305 clock_adjtime                ? 33 : 228
   33  jeq  308 setns                        ? 228 : 227
   34  jge  320 kexec_file_load              ? 36 : 35
   35  jge  314 sched_setattr                ? 227 : 228
   36  jge  324 membarrier                   ? 227 : 37
   37  jeq  322 execveat                     ? 227 : 228
   38  jge  0x4000000f                       ? 52 : 39
   39  jge  434 pidfd_open                   ? 44 : 40
   40  jge  335 uretprobe                    ? 42 : 41
   41  jge  332 statx                        ? 227 : 228
   42  jge  424 pidfd_send_signal            ? 43 : 228
   43  jge  428 open_tree                    ? 228 : 227
   44  jge  442 mount_setattr                ? 48 : 45
   45  jeq  440 process_madvise              ? 228 : 46
   46  jeq  438 pidfd_getfd                  ? 228 : 47
   47  jeq  435 clone3                       ? 217 : 227
   48  jge  450 set_mempolicy_home_node      ? 50 : 49
   49  jge  444 landlock_create_ruleset      ? 227 : 228
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
  133  jge  138 setfsuid                     ? 173 : 134
  134  jge  72 sigsuspend                    ? 154 : 135
  135  jge  36 sync                          ? 144 : 136
  136  jge  23 setuid                        ? 140 : 137
  137  jge  19 lseek                         ? 139 : 138
  138  jge  17 break                         ? 228 : 227
  139  jge  21 mount                         ? 228 : 227
  140  jge  31 stty                          ? 143 : 141
  141  jeq  28 oldfstat                      ? 228 : 142
  142  jeq  25 stime                         ? 228 : 227
  143  jeq  33 access                        ? 227 : 228
  144  jge  58 ulimit                        ? 150 : 145
  145  jge  51 acct                          ? 148 : 146
  146  jeq  48 signal                        ? 228 : 147
  147  jeq  44 prof                          ? 228 : 227
  148  jge  54 ioctl                         ? 149 : 228
  149  jeq  56 mpx                           ? 228 : 227
  150  jge  67 sigaction                     ? 153 : 151
  151  jge  63 dup2                          ? 227 : 152
  152  jeq  60 umask                         ? 227 : 228
  153  jge  70 setreuid                      ? 227 : 228
  154  jge  103 syslog                       ? 162 : 155
  155  jge  86 uselib                        ? 159 : 156
  156  jge  75 setrlimit                     ? 157 : 228
  157  jeq  84 oldlstat                      ? 228 : 158
  158  jeq  79 settimeofday                  ? 228 : 227
  159  jge  90 mmap                          ? 160 : 228
  160  jeq  101 ioperm                       ? 228 : 161
  161  jeq  98 profil                        ? 228 : 227
  162  jge  121 setdomainname                ? 168 : 163
  163  jge  109 olduname                     ? 165 : 164
  164  jge  104 setitimer                    ? 227 : 228
  165  jge  116 sysinfo                      ? 167 : 166
  166  jeq  114 wait4                        ? 227 : 228
  167  jge  120 clone                        ? 224 : 227
  168  jge  127 create_module                ? 170 : 169
  169  jge  122 uname                        ? 227 : 228
  170  jge  134 bdflush                      ? 172 : 171
  171  jge  132 getpgid                      ? 227 : 228
  172  jeq  136 personality                  ? 218 : 228
  173  jge  318 getcpu                       ? 195 : 174
  174  jge  264 clock_settime                ? 186 : 175
  175  jge  190 vfork                        ? 181 : 176
  176  jge  170 setresgid                    ? 180 : 177
  177  jge  166 vm86                         ? 179 : 178
  178  jeq  149 _sysctl                      ? 228 : 227
  179  jeq  168 poll                         ? 227 : 228
  180  jge  188 getpmsg                      ? 228 : 227
  181  jge  224 gettid                       ? 184 : 182
  182  jge  222                              ? 228 : 183
  183  jeq  217 pivot_root                   ? 228 : 227
  184  jeq  253 lookup_dcookie               ? 228 : 185
  185  jeq  251                              ? 228 : 227
  186  jge  289 ioprio_set                   ? 192 : 187
  187  jge  277 mq_open                      ? 190 : 188
  188  jge  265 clock_gettime                ? 189 : 228
  189  jge  273 vserver                      ? 228 : 227
  190  jge  285                              ? 228 : 191
  191  jeq  283 kexec_load                   ? 228 : 227
  192  jge  317 move_pages                   ? 228 : 193
  193  jeq  310 unshare                      ? 228 : 194
  194  jeq  294 migrate_pages                ? 228 : 227
  195  jge  393 semget                       ? 207 : 196
  196  jge  351 sched_setattr                ? 202 : 197
  197  jge  341 name_to_handle_at            ? 200 : 198
  198  jeq  338 fanotify_init                ? 228 : 199
  199  jeq  336 perf_event_open              ? 228 : 227
  200  jge  343 clock_adjtime                ? 201 : 228
  201  jge  346 setns                        ? 228 : 227
  202  jge  380 pkey_mprotect                ? 205 : 203
  203  jeq  374 userfaultfd                  ? 228 : 204
  204  jeq  357 bpf                          ? 228 : 227
  205  jge  383 statx                        ? 206 : 228
  206  jge  387                              ? 228 : 227
  207  jge  434 pidfd_open                   ? 211 : 208
  208  jge  428 open_tree                    ? 228 : 209
  209  jeq  415                              ? 228 : 210
  210  jeq  404 clock_settime64              ? 228 : 227
  211  jge  440 process_madvise              ? 214 : 212
  212  jeq  438 pidfd_getfd                  ? 228 : 213
  213  jeq  435 clone3                       ? 217 : 227
  214  jge  444 landlock_create_ruleset      ? 216 : 215
  215  jeq  441 epoll_pwait2                 ? 227 : 228
  216  jge  450 set_mempolicy_home_node      ? 217 : 227
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
