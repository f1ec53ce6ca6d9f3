    0  ld   arch
    1  jeq  x86_64                           ? 2 : 133
x86_64, x32:
    2  ld   nr
    3  jge  0x40000084 utime                 ? 65 : 4
    4  jge  336 uprobe                       ? 37 : 5
    5  jge  251 ioprio_set                   ? 24 : 6
    6  jge  155 pivot_root                   ? 15 : 7
    7  jge  134 uselib                       ? 11 : 8
    8  jeq  103 syslog                       ? 236 : 9
    9  jeq  56 clone                         ? 126 : 10
   10  jeq  41 socket                        ? 129 : 235
   11  jge  137 statfs                       ? 13 : 12
   12  jeq  135 personality                  ? 118 : 236
   13  jeq  153 vhangup                      ? 236 : 14
   14  jeq  139 sysfs                        ? 236 : 235
   15  jge  236 vserver                      ? 21 : 16
   16  jge  186 gettid                       ? 19 : 17
   17  jge  157 prctl                        ? 18 : 236
   18  jge  163 acct                         ? 236 : 235
   19  jeq  227 clock_settime                ? 236 : 20
   20  jeq  212 lookup_dcookie               ? 236 : 235
   21  jge  240 mq_open                      ? 22 : 236
   22  jge  248 add_key                      ? 236 : 23
   23  jeq  246 kexec_load                   ? 236 : 235
   24  jge  300 fanotify_init                ? 29 : 25
   25  jeq  298 perf_event_open              ? 236 : 26
   26  jeq  279 move_pages                   ? 236 : 27
   27  jeq  272 unshare                      ? 236 : 28
   28  jeq  256 migrate_pages                ? 236 : 235
   29  jge  312 kcmp                         ? 33 : 30
   30  jge  301 fanotify_mark                ? 31 : 236
   31  jeq  308 setns                        ? 236 : 32
   32  jeq  304 open_by_handle_at            ? 236 : 235
   33  jge  320 kexec_file_load              ? 35 : 34
   34  jge  314 sched_setattr                ? 235 : 236
   35  jge  324 membarrier                   ? 235 : 36
   36  jeq  322 execveat                     ? 235 : 236
   37  jge  0x40000011 pread64               ? 52 : 38
   38  jge  442 mount_setattr                ? 44 : 39
   39  jge  434 pidfd_open                   ? 41 : 40
   40  jeq  424 pidfd_send_signal            ? 235 : 236
   41  jeq  440 process_madvise              ? 236 : 42
   42  jeq  438 pidfd_getfd                  ? 236 : 43
   43  jeq  435 clone3                       ? 223 : 235
   44  jge  462 mseal                        ? 48 : 45
   45  jge  444 landlock_create_ruleset      ? 46 : 236
   46  jge  459 lsm_get_self_attr            ? 236 : 47
   47  jeq  450 set_mempolicy_home_node      ? 236 : 235
   48  jge  0x40000000 read                  ? 50 : 49
   49  jge  467 open_tree_attr               ? 223 : 235
   50  jge  0x4000000f                       ? 236 : 51
   51  jeq  0x4000000d                       ? 236 : 235
   52  jge  0x40000039 fork                  ? 60 : 53
   53  jge  0x4000002d                       ? 57 : 54
   54  jge  0x40000013                       ? 55 : 235
   55  jge  0x40000015 access                ? 56 : 236
   56  jeq  0x40000029 socket                ? 224 : 235
   57  jge  0x40000036                       ? 59 : 58
   58  jge  0x40000030 shutdown              ? 235 : 236
   59  jge  0x40000038 clone                 ? 232 : 236
   60  jge  0x4000007f                       ? 64 : 61
   61  jeq  0x40000067 syslog                ? 236 : 62
   62  jeq  0x40000065                       ? 236 : 63
   63  jeq  0x4000003b                       ? 236 : 235
   64  jeq  0x40000082 rt_sigsuspend         ? 235 : 236
   65  jge  0x40000118 utimensat             ? 92 : 66
   66  jge  0x400000d3                       ? 79 : 67
   67  jge  0x4000009d prctl                 ? 74 : 68
   68  jge  0x40000089 statfs                ? 71 : 69
   69  jge  0x40000086                       ? 70 : 235
   70  jeq  0x40000087 personality           ? 226 : 236
   71  jge  0x4000009b pivot_root            ? 236 : 72
   72  jeq  0x40000099 vhangup               ? 236 : 73
   73  jeq  0x4000008b sysfs                 ? 236 : 235
   74  jge  0x400000ba gettid                ? 76 : 75
   75  jge  0x400000a3 acct                  ? 236 : 235
   76  jge  0x400000cd                       ? 77 : 235
   77  jge  0x400000cf io_destroy            ? 78 : 236
   78  jeq  0x400000d1                       ? 236 : 235
   79  jge  0x400000f6                       ? 87 : 80
   80  jge  0x400000ec                       ? 85 : 81
   81  jge  0x400000d8 remap_file_pages      ? 83 : 82
   82  jeq  0x400000d5 epoll_create          ? 235 : 236
   83  jeq  0x400000e3 clock_settime         ? 236 : 84
   84  jeq  0x400000de                       ? 236 : 235
   85  jge  0x400000f0 mq_open               ? 86 : 236
   86  jeq  0x400000f4                       ? 236 : 235
   87  jge  0x40000110 unshare               ? 90 : 88
   88  jge  0x400000fb ioprio_set            ? 89 : 236
   89  jeq  0x40000100 migrate_pages         ? 236 : 235
   90  jge  0x40000113 splice                ? 91 : 236
   91  jge  0x40000116                       ? 236 : 235
   92  jge  0x40000150 uprobe                ? 103 : 93
   93  jge  0x4000013a sched_setattr         ? 99 : 94
   94  jge  0x4000012d fanotify_mark         ? 96 : 95
   95  jge  0x40000127                       ? 236 : 235
   96  jge  0x40000133                       ? 98 : 97
   97  jeq  0x40000130 open_by_handle_at     ? 236 : 235
   98  jeq  0x40000135 getcpu                ? 235 : 236
   99  jge  0x40000144 membarrier            ? 101 : 100
  100  jge  0x40000140 kexec_file_load       ? 236 : 235
  101  jge  0x40000147                       ? 102 : 235
  102  jge  0x40000149 pkey_mprotect         ? 235 : 236
  103  jge  0x400001ba mount_setattr         ? 109 : 104
  104  jge  0x400001b2 pidfd_open            ? 106 : 105
  105  jeq  0x400001a8 pidfd_send_signal     ? 235 : 236
  106  jeq  0x400001b8 process_madvise       ? 236 : 107
  107  jeq  0x400001b6 pidfd_getfd           ? 236 : 108
  108  jeq  0x400001b3 clone3                ? 223 : 235
  109  jge  0x40000200 rt_sigaction          ? 115 : 110
  110  jge  0x400001cb lsm_get_self_attr     ? 113 : 111
  111  jge  0x400001bc landlock_create_ruleset ? 112 : 236
  112  jeq  0x400001c2 set_mempolicy_home_node ? 236 : 235
  113  jge  0x400001ce mseal                 ? 114 : 236
  114  jge  0x400001d3 open_tree_attr        ? 223 : 235
  115  jge  0x40000224                       ? 223 : 116
  116  jeq  0x40000215 move_pages            ? 236 : 117
  117  jeq  0x40000210 kexec_load            ? 236 : 235
  118  ld   arg0.upper
  119  jeq  0                                ? 120 : 236
  120  ld   arg0.lower
  121  jeq  0                                ? 235 : 122
  122  jeq  8                                ? 235 : 123
  123  jeq  0x20000                          ? 235 : 124
  124  jeq  0x20008                          ? 235 : 125
  125  jeq  0xffffffff                       ? 235 : 236
  126  ld   arg0.lower
  127  and  0x7e020000
  128  jeq  0                                ? 235 : 236
  129  ld   arg0.upper
  130  jeq  0                                ? 131 : 235
  131  ld   arg0.lower
  132  jeq  0x28                             ? 236 : 235
  133  jeq  x86                              ? 134 : 237
x86:
  134  ld   nr
  135  jge  190 vfork                        ? 181 : 136
  136  jge  86 uselib                        ? 160 : 137
  137  jge  51 acct                          ? 149 : 138
  138  jge  31 stty                          ? 145 : 139
  139  jge  23 setuid                        ? 143 : 140
  140  jge  19 lseek                         ? 142 : 141
  141  jge  17 break                         ? 236 : 235
  142  jge  21 mount                         ? 236 : 235
  143  jeq  28 oldfstat                      ? 236 : 144
  144  jeq  25 stime                         ? 236 : 235
  145  jge  36 sync                          ? 147 : 146
  146  jeq  33 access                        ? 235 : 236
  147  jeq  48 signal                        ? 236 : 148
  148  jeq  44 prof                          ? 236 : 235
  149  jge  67 sigaction                     ? 155 : 150
  150  jge  58 ulimit                        ? 153 : 151
  151  jge  54 ioctl                         ? 152 : 236
  152  jeq  56 mpx                           ? 236 : 235
  153  jge  60 umask                         ? 154 : 236
  154  jeq  62 ustat                         ? 236 : 235
  155  jge  75 setrlimit                     ? 158 : 156
  156  jge  70 setreuid                      ? 157 : 236
  157  jge  72 sigsuspend                    ? 236 : 235
  158  jeq  84 oldlstat                      ? 236 : 159
  159  jeq  79 settimeofday                  ? 236 : 235
  160  jge  122 uname                        ? 171 : 161
  161  jge  103 syslog                       ? 165 : 162
  162  jge  90 mmap                          ? 163 : 236
  163  jeq  101 ioperm                       ? 236 : 164
  164  jeq  98 profil                        ? 236 : 235
  165  jge  116 sysinfo                      ? 169 : 166
  166  jge  109 olduname                     ? 168 : 167
  167  jge  104 setitimer                    ? 235 : 236
  168  jeq  114 wait4                        ? 235 : 236
  169  jge  120 clone                        ? 170 : 235
  170  jge  121 setdomainname                ? 236 : 232
  171  jge  138 setfsuid                     ? 176 : 172
  172  jge  132 getpgid                      ? 174 : 173
  173  jge  127 create_module                ? 236 : 235
  174  jge  134 bdflush                      ? 175 : 235
  175  jeq  136 personality                  ? 226 : 236
  176  jge  170 setresgid                    ? 180 : 177
  177  jge  166 vm86                         ? 179 : 178
  178  jeq  149 _sysctl                      ? 236 : 235
  179  jeq  168 poll                         ? 235 : 236
  180  jge  188 getpmsg                      ? 236 : 235
  181  jge  349 kcmp                         ? 203 : 182
  182  jge  289 ioprio_set                   ? 194 : 183
  183  jge  264 clock_settime                ? 189 : 184
  184  jge  224 gettid                       ? 187 : 185
  185  jge  222                              ? 236 : 186
  186  jeq  217 pivot_root                   ? 236 : 235
  187  jeq  253 lookup_dcookie               ? 236 : 188
  188  jeq  251                              ? 236 : 235
  189  jge  277 mq_open                      ? 192 : 190
  190  jge  265 clock_gettime                ? 191 : 236
  191  jge  273 vserver                      ? 236 : 235
  192  jge  285                              ? 236 : 193
  193  jeq  283 kexec_load                   ? 236 : 235
  194  jge  318 getcpu                       ? 198 : 195
  195  jge  317 move_pages                   ? 236 : 196
  196  jeq  310 unshare                      ? 236 : 197
  197  jeq  294 migrate_pages                ? 236 : 235
  198  jge  342 open_by_handle_at            ? 201 : 199
  199  jeq  338 fanotify_init                ? 236 : 200
  200  jeq  336 perf_event_open              ? 236 : 235
  201  jge  343 clock_adjtime                ? 202 : 236
  202  jeq  346 setns                        ? 236 : 235
  203  jge  425 io_uring_setup               ? 213 : 204
  204  jge  374 userfaultfd                  ? 208 : 205
  205  jge  351 sched_setattr                ? 206 : 236
  206  jeq  359 socket                       ? 224 : 207
  207  jeq  357 bpf                          ? 236 : 235
  208  jge  393 semget                       ? 211 : 209
  209  jge  375 membarrier                   ? 210 : 236
  210  jge  387                              ? 236 : 235
  211  jeq  415                              ? 236 : 212
  212  jeq  404 clock_settime64              ? 236 : 235
  213  jge  440 process_madvise              ? 217 : 214
  214  jge  434 pidfd_open                   ? 215 : 236
  215  jeq  438 pidfd_getfd                  ? 236 : 216
  216  jeq  435 clone3                       ? 223 : 235
  217  jge  459 lsm_get_self_attr            ? 221 : 218
  218  jge  444 landlock_create_ruleset      ? 220 : 219
  219  jeq  441 epoll_pwait2                 ? 235 : 236
  220  jeq  450 set_mempolicy_home_node      ? 236 : 235
  221  jge  462 mseal                        ? 222 : 236
  222  jge  467 open_tree_attr               ? 223 : 235
  223  ret  ERRNO ENOSYS (not implemented by this kernel)
  224  ld   arg0.lower
  225  jeq  0x28                             ? 236 : 235
  226  ld   arg0.lower
  227  jeq  0                                ? 235 : 228
  228  jeq  8                                ? 235 : 229
  229  jeq  0x20000                          ? 235 : 230
  230  jeq  0x20008                          ? 235 : 231
  231  jeq  0xffffffff                       ? 235 : 236
  232  ld   arg0.lower
  233  and  0x7e020000
  234  jeq  0                                ? 235 : 236
  235  ret  ALLOW
  236  ret  ERRNO EPERM (operation not permitted)
  237  ret  KILL_THREAD
