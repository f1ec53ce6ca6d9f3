    0  ld   arch
    1  jeq  x86_64                           ? 2 : 131
x86_64, x32:
    2  ld   nr
    3  jge  0x40000084 utime                 ? 64 : 4
    4  jge  335 uretprobe                    ? 37 : 5
    5  jge  251 ioprio_set                   ? 24 : 6
    6  jge  155 pivot_root                   ? 15 : 7
    7  jge  134 uselib                       ? 11 : 8
    8  jeq  103 syslog                       ? 232 : 9
    9  jeq  56 clone                         ? 124 : 10
   10  jeq  41 socket                        ? 127 : 231
   11  jge  137 statfs                       ? 13 : 12
   12  jeq  135 personality                  ? 116 : 232
   13  jeq  153 vhangup                      ? 232 : 14
   14  jeq  139 sysfs                        ? 232 : 231
   15  jge  236 vserver                      ? 21 : 16
   16  jge  186 gettid                       ? 19 : 17
   17  jge  157 prctl                        ? 18 : 232
   18  jge  163 acct                         ? 232 : 231
   19  jeq  227 clock_settime                ? 232 : 20
   20  jeq  212 lookup_dcookie               ? 232 : 231
   21  jge  240 mq_open                      ? 22 : 232
   22  jge  248 add_key                      ? 232 : 23
   23  jeq  246 kexec_load                   ? 232 : 231
   24  jge  300 fanotify_init                ? 29 : 25
   25  jeq  298 perf_event_open              ? 232 : 26
   26  jeq  279 move_pages                   ? 232 : 27
   27  jeq  272 unshare                      ? 232 : 28
   28  jeq  256 migrate_pages                ? 232 : 231
   29  jge  312 kcmp                         ? 33 : 30
   30  jge  301 fanotify_mark                ? 31 : 232
   31  jeq  308 setns                        ? 232 : 32
   32  jeq  304 open_by_handle_at            ? 232 : 231
   33  jge  320 kexec_file_load              ? 35 : 34
   34  jge  314 sched_setattr                ? 231 : 232
   35  jge  324 membarrier                   ? 231 : 36
   36  jeq  322 execveat                     ? 231 : 232
   37  jge  0x40000011 pread64               ? 51 : 38
   38  jge  442 mount_setattr                ? 45 : 39
   39  jge  434 pidfd_open                   ? 42 : 40
   40  jge  424 pidfd_send_signal            ? 41 : 232
   41  jge  428 open_tree                    ? 232 : 231
   42  jeq  440 process_madvise              ? 232 : 43
   43  jeq  438 pidfd_getfd                  ? 232 : 44
   44  jeq  435 clone3                       ? 219 : 231
   45  jge  457 statmount                    ? 48 : 46
   46  jge  444 landlock_create_ruleset      ? 47 : 232
   47  jeq  450 set_mempolicy_home_node      ? 232 : 231
   48  jge  0x40000000 read                  ? 49 : 219
   49  jge  0x4000000f                       ? 232 : 50
   50  jeq  0x4000000d                       ? 232 : 231
   51  jge  0x40000039 fork                  ? 59 : 52
   52  jge  0x4000002d                       ? 56 : 53
   53  jge  0x40000013                       ? 54 : 231
   54  jge  0x40000015 access                ? 55 : 232
   55  jeq  0x40000029 socket                ? 220 : 231
   56  jge  0x40000036                       ? 58 : 57
   57  jge  0x40000030 shutdown              ? 231 : 232
   58  jge  0x40000038 clone                 ? 228 : 232
   59  jge  0x4000007f                       ? 63 : 60
   60  jeq  0x40000067 syslog                ? 232 : 61
   61  jeq  0x40000065                       ? 232 : 62
   62  jeq  0x4000003b                       ? 232 : 231
   63  jeq  0x40000082 rt_sigsuspend         ? 231 : 232
   64  jge  0x40000118 utimensat             ? 91 : 65
   65  jge  0x400000d3                       ? 78 : 66
   66  jge  0x4000009d prctl                 ? 73 : 67
   67  jge  0x40000089 statfs                ? 70 : 68
   68  jge  0x40000086                       ? 69 : 231
   69  jeq  0x40000087 personality           ? 222 : 232
   70  jge  0x4000009b pivot_root            ? 232 : 71
   71  jeq  0x40000099 vhangup               ? 232 : 72
   72  jeq  0x4000008b sysfs                 ? 232 : 231
   73  jge  0x400000ba gettid                ? 75 : 74
   74  jge  0x400000a3 acct                  ? 232 : 231
   75  jge  0x400000cd                       ? 76 : 231
   76  jge  0x400000cf io_destroy            ? 77 : 232
   77  jeq  0x400000d1                       ? 232 : 231
   78  jge  0x400000f6                       ? 86 : 79
   79  jge  0x400000ec                       ? 84 : 80
   80  jge  0x400000d8 remap_file_pages      ? 82 : 81
   81  jeq  0x400000d5 epoll_create          ? 231 : 232
   82  jeq  0x400000e3 clock_settime         ? 232 : 83
   83  jeq  0x400000de                       ? 232 : 231
   84  jge  0x400000f0 mq_open               ? 85 : 232
   85  jeq  0x400000f4                       ? 232 : 231
   86  jge  0x40000110 unshare               ? 89 : 87
   87  jge  0x400000fb ioprio_set            ? 88 : 232
   88  jeq  0x40000100 migrate_pages         ? 232 : 231
   89  jge  0x40000113 splice                ? 90 : 232
   90  jge  0x40000116                       ? 232 : 231
   91  jge  0x4000014f uretprobe             ? 102 : 92
   92  jge  0x4000013a sched_setattr         ? 98 : 93
   93  jge  0x4000012d fanotify_mark         ? 95 : 94
   94  jge  0x40000127                       ? 232 : 231
   95  jge  0x40000133                       ? 97 : 96
   96  jeq  0x40000130 open_by_handle_at     ? 232 : 231
   97  jeq  0x40000135 getcpu                ? 231 : 232
   98  jge  0x40000144 membarrier            ? 100 : 99
   99  jge  0x40000140 kexec_file_load       ? 232 : 231
  100  jge  0x40000147                       ? 101 : 231
  101  jge  0x40000149 pkey_mprotect         ? 231 : 232
  102  jge  0x400001ba mount_setattr         ? 109 : 103
  103  jge  0x400001b2 pidfd_open            ? 106 : 104
  104  jge  0x400001a8 pidfd_send_signal     ? 105 : 232
  105  jge  0x400001ac open_tree             ? 232 : 231
  106  jeq  0x400001b8 process_madvise       ? 232 : 107
  107  jeq  0x400001b6 pidfd_getfd           ? 232 : 108
  108  jeq  0x400001b3 clone3                ? 219 : 231
  109  jge  0x40000200 rt_sigaction          ? 113 : 110
  110  jge  0x400001bc landlock_create_ruleset ? 111 : 232
  111  jge  0x400001c9 statmount             ? 219 : 112
  112  jeq  0x400001c2 set_mempolicy_home_node ? 232 : 231
  113  jge  0x40000224                       ? 219 : 114
  114  jeq  0x40000215 move_pages            ? 232 : 115
  115  jeq  0x40000210 kexec_load            ? 232 : 231
  116  ld   arg0.upper
  117  jeq  0                                ? 118 : 232
  118  ld   arg0.lower
  119  jeq  0                                ? 231 : 120
  120  jeq  8                                ? 231 : 121
  121  jeq  0x20000                          ? 231 : 122
  122  jeq  0x20008                          ? 231 : 123
  123  jeq  0xffffffff                       ? 231 : 232
  124  ld   arg0.lower
  125  and  0x7e020000
  126  jeq  0                                ? 231 : 232
  127  ld   arg0.upper
  128  jeq  0                                ? 129 : 231
  129  ld   arg0.lower
  130  jeq  0x28                             ? 232 : 231
  131  jeq  x86                              ? 132 : 233
x86:
  132  ld   nr
  133  jge  190 vfork                        ? 179 : 134
  134  jge  86 uselib                        ? 158 : 135
  135  jge  51 acct                          ? 147 : 136
  136  jge  31 stty                          ? 143 : 137
  137  jge  23 setuid                        ? 141 : 138
  138  jge  19 lseek                         ? 140 : 139
  139  jge  17 break                         ? 232 : 231
  140  jge  21 mount                         ? 232 : 231
  141  jeq  28 oldfstat                      ? 232 : 142
  142  jeq  25 stime                         ? 232 : 231
  143  jge  36 sync                          ? 145 : 144
  144  jeq  33 access                        ? 231 : 232
  145  jeq  48 signal                        ? 232 : 146
  146  jeq  44 prof                          ? 232 : 231
  147  jge  67 sigaction                     ? 153 : 148
  148  jge  58 ulimit                        ? 151 : 149
  149  jge  54 ioctl                         ? 150 : 232
  150  jeq  56 mpx                           ? 232 : 231
  151  jge  60 umask                         ? 152 : 232
  152  jeq  62 ustat                         ? 232 : 231
  153  jge  75 setrlimit                     ? 156 : 154
  154  jge  70 setreuid                      ? 155 : 232
  155  jge  72 sigsuspend                    ? 232 : 231
  156  jeq  84 oldlstat                      ? 232 : 157
  157  jeq  79 settimeofday                  ? 232 : 231
  158  jge  122 uname                        ? 169 : 159
  159  jge  103 syslog                       ? 163 : 160
  160  jge  90 mmap                          ? 161 : 232
  161  jeq  101 ioperm                       ? 232 : 162
  162  jeq  98 profil                        ? 232 : 231
  163  jge  116 sysinfo                      ? 167 : 164
  164  jge  109 olduname                     ? 166 : 165
  165  jge  104 setitimer                    ? 231 : 232
  166  jeq  114 wait4                        ? 231 : 232
  167  jge  120 clone                        ? 168 : 231
  168  jge  121 setdomainname                ? 232 : 228
  169  jge  138 setfsuid                     ? 174 : 170
  170  jge  132 getpgid                      ? 172 : 171
  171  jge  127 create_module                ? 232 : 231
  172  jge  134 bdflush                      ? 173 : 231
  173  jeq  136 personality                  ? 222 : 232
  174  jge  170 setresgid                    ? 178 : 175
  175  jge  166 vm86                         ? 177 : 176
  176  jeq  149 _sysctl                      ? 232 : 231
  177  jeq  168 poll                         ? 231 : 232
  178  jge  188 getpmsg                      ? 232 : 231
  179  jge  343 clock_adjtime                ? 199 : 180
  180  jge  289 ioprio_set                   ? 192 : 181
  181  jge  264 clock_settime                ? 187 : 182
  182  jge  224 gettid                       ? 185 : 183
  183  jge  222                              ? 232 : 184
  184  jeq  217 pivot_root                   ? 232 : 231
  185  jeq  253 lookup_dcookie               ? 232 : 186
  186  jeq  251                              ? 232 : 231
  187  jge  277 mq_open                      ? 190 : 188
  188  jge  265 clock_gettime                ? 189 : 232
  189  jge  273 vserver                      ? 232 : 231
  190  jge  285                              ? 232 : 191
  191  jeq  283 kexec_load                   ? 232 : 231
  192  jge  318 getcpu                       ? 196 : 193
  193  jge  317 move_pages                   ? 232 : 194
  194  jeq  310 unshare                      ? 232 : 195
  195  jeq  294 migrate_pages                ? 232 : 231
  196  jge  342 open_by_handle_at            ? 232 : 197
  197  jeq  338 fanotify_init                ? 232 : 198
  198  jeq  336 perf_event_open              ? 232 : 231
  199  jge  428 open_tree                    ? 211 : 200
  200  jge  374 userfaultfd                  ? 206 : 201
  201  jge  351 sched_setattr                ? 204 : 202
  202  jge  349 kcmp                         ? 232 : 203
  203  jeq  346 setns                        ? 232 : 231
  204  jeq  359 socket                       ? 220 : 205
  205  jeq  357 bpf                          ? 232 : 231
  206  jge  393 semget                       ? 209 : 207
  207  jge  375 membarrier                   ? 208 : 232
  208  jge  387                              ? 232 : 231
  209  jeq  415                              ? 232 : 210
  210  jeq  404 clock_settime64              ? 232 : 231
  211  jge  440 process_madvise              ? 215 : 212
  212  jge  434 pidfd_open                   ? 213 : 232
  213  jeq  438 pidfd_getfd                  ? 232 : 214
  214  jeq  435 clone3                       ? 219 : 231
  215  jge  444 landlock_create_ruleset      ? 217 : 216
  216  jeq  441 epoll_pwait2                 ? 231 : 232
  217  jge  457 statmount                    ? 219 : 218
  218  jeq  450 set_mempolicy_home_node      ? 232 : 231
  219  ret  ERRNO ENOSYS (not implemented by this kernel)
  220  ld   arg0.lower
  221  jeq  0x28                             ? 232 : 231
  222  ld   arg0.lower
  223  jeq  0                                ? 231 : 224
  224  jeq  8                                ? 231 : 225
  225  jeq  0x20000                          ? 231 : 226
  226  jeq  0x20008                          ? 231 : 227
  227  jeq  0xffffffff                       ? 231 : 232
  228  ld   arg0.lower
  229  and  0x7e020000
  230  jeq  0                                ? 231 : 232
  231  ret  ALLOW
  232  ret  ERRNO EPERM (operation not permitted)
  233  ret  KILL_THREAD
