    0  ld   arch
    1  jeq  x86_64                           ? 2 : 141
x86_64, x32:
    2  ld   nr
    3  jge  0x4000007f                       ? 59 : 4
    4  jge  186 gettid                       ? 20 : 5
    5  jge  163 acct                         ? 14 : 6
    6  jge  137 statfs                       ? 10 : 7
    7  jge  134 uselib                       ? 9 : 8
    8  jeq  41 socket                        ? 132 : 244
    9  jeq  135 personality                  ? 124 : 243
   10  jeq  161 chroot                       ? 243 : 11
   11  jeq  156 _sysctl                      ? 245 : 12
   12  jeq  153 vhangup                      ? 243 : 13
   13  jeq  139 sysfs                        ? 243 : 244
   14  jge  167 swapon                       ? 16 : 15
   15  jge  165 mount                        ? 244 : 243
   16  jge  181 getpmsg                      ? 245 : 17
   17  jeq  177 get_kernel_syms              ? 245 : 18
   18  jeq  174 create_module                ? 245 : 19
   19  jeq  169 reboot                       ? 244 : 243
   20  jge  324 membarrier                   ? 36 : 21
   21  jge  248 add_key                      ? 26 : 22
   22  jeq  246 kexec_load                   ? 243 : 23
   23  jeq  236 vserver                      ? 245 : 24
   24  jeq  227 clock_settime                ? 243 : 25
   25  jeq  212 lookup_dcookie               ? 243 : 244
   26  jge  280 utimensat                    ? 30 : 27
   27  jge  250 keyctl                       ? 28 : 245
   28  jge  278 vmsplice                     ? 243 : 29
   29  jeq  256 migrate_pages                ? 243 : 244
   30  jge  312 kcmp                         ? 33 : 31
   31  jeq  304 open_by_handle_at            ? 243 : 32
   32  jeq  298 perf_event_open              ? 243 : 244
   33  jge  320 kexec_file_load              ? 35 : 34
   34  jge  314 sched_setattr                ? 244 : 243
   35  jeq  322 execveat                     ? 244 : 243
   36  jge  0x4000000f                       ? 49 : 37
   37  jge  449 futex_waitv                  ? 44 : 38
   38  jge  428 open_tree                    ? 42 : 39
   39  jge  335 uretprobe                    ? 41 : 40
   40  jeq  333 io_pgetevents                ? 243 : 244
   41  jeq  424 pidfd_send_signal            ? 244 : 245
   42  jeq  443 quotactl_fd                  ? 243 : 43
   43  jeq  440 process_madvise              ? 243 : 244
   44  jge  457 statmount                    ? 47 : 45
   45  jeq  452 fchmodat2                    ? 244 : 46
   46  jeq  450 set_mempolicy_home_node      ? 245 : 243
   47  jge  0x40000000 read                  ? 48 : 245
   48  jeq  0x4000000d                       ? 245 : 244
   49  jge  0x4000002d                       ? 54 : 50
   50  jge  0x40000013                       ? 52 : 51
   51  jge  0x40000011 pread64               ? 244 : 245
   52  jge  0x40000015 access                ? 53 : 245
   53  jeq  0x40000029 socket                ? 231 : 244
   54  jge  0x40000038 clone                 ? 57 : 55
   55  jge  0x40000030 shutdown              ? 56 : 245
   56  jge  0x40000036                       ? 245 : 244
   57  jeq  0x40000065                       ? 245 : 58
   58  jeq  0x4000003b                       ? 245 : 244
   59  jge  0x400000d8 remap_file_pages      ? 85 : 60
   60  jge  0x400000a3 acct                  ? 71 : 61
   61  jge  0x40000089 statfs                ? 67 : 62
   62  jge  0x40000086                       ? 65 : 63
   63  jge  0x40000084 utime                 ? 244 : 64
   64  jeq  0x40000082 rt_sigsuspend         ? 244 : 245
   65  jge  0x40000087 personality           ? 66 : 245
   66  jge  0x40000088 ustat                 ? 243 : 237
   67  jeq  0x400000a1 chroot                ? 243 : 68
   68  jeq  0x4000009c                       ? 245 : 69
   69  jeq  0x40000099 vhangup               ? 243 : 70
   70  jeq  0x4000008b sysfs                 ? 243 : 244
   71  jge  0x400000cd                       ? 79 : 72
   72  jge  0x400000a7 swapon                ? 74 : 73
   73  jge  0x400000a5 mount                 ? 244 : 243
   74  jge  0x400000b1                       ? 77 : 75
   75  jeq  0x400000ae                       ? 245 : 76
   76  jeq  0x400000a9 reboot                ? 244 : 243
   77  jge  0x400000ba gettid                ? 244 : 78
   78  jeq  0x400000b3 quotactl              ? 243 : 245
   79  jge  0x400000d4 lookup_dcookie        ? 83 : 80
   80  jge  0x400000cf io_destroy            ? 81 : 245
   81  jge  0x400000d3                       ? 245 : 82
   82  jeq  0x400000d1                       ? 245 : 244
   83  jge  0x400000d5 epoll_create          ? 84 : 243
   84  jge  0x400000d6                       ? 245 : 244
   85  jge  0x40000136                       ? 102 : 86
   86  jge  0x400000f6                       ? 91 : 87
   87  jeq  0x400000f4                       ? 245 : 88
   88  jeq  0x400000ec                       ? 245 : 89
   89  jeq  0x400000e3 clock_settime         ? 243 : 90
   90  jeq  0x400000de                       ? 245 : 244
   91  jge  0x40000116                       ? 96 : 92
   92  jge  0x40000111                       ? 95 : 93
   93  jge  0x400000fa keyctl                ? 94 : 245
   94  jeq  0x40000100 migrate_pages         ? 243 : 244
   95  jge  0x40000113 splice                ? 244 : 245
   96  jge  0x4000012c fanotify_init         ? 100 : 97
   97  jge  0x40000127                       ? 99 : 98
   98  jge  0x40000118 utimensat             ? 244 : 245
   99  jeq  0x4000012a perf_event_open       ? 243 : 245
  100  jeq  0x40000133                       ? 245 : 101
  101  jeq  0x40000130 open_by_handle_at     ? 243 : 244
  102  jge  0x400001ac open_tree             ? 113 : 103
  103  jge  0x40000144 membarrier            ? 108 : 104
  104  jge  0x4000013a sched_setattr         ? 106 : 105
  105  jge  0x40000138 kcmp                  ? 243 : 245
  106  jge  0x40000140 kexec_file_load       ? 107 : 244
  107  jeq  0x40000142                       ? 245 : 243
  108  jge  0x40000149 pkey_mprotect         ? 110 : 109
  109  jge  0x40000147                       ? 245 : 244
  110  jge  0x4000014f uretprobe             ? 112 : 111
  111  jeq  0x4000014d io_pgetevents         ? 243 : 244
  112  jeq  0x400001a8 pidfd_send_signal     ? 244 : 245
  113  jge  0x400001c9 statmount             ? 119 : 114
  114  jge  0x400001c1 futex_waitv           ? 117 : 115
  115  jeq  0x400001bb quotactl_fd           ? 243 : 116
  116  jeq  0x400001b8 process_madvise       ? 243 : 244
  117  jeq  0x400001c4 fchmodat2             ? 244 : 118
  118  jeq  0x400001c2 set_mempolicy_home_node ? 245 : 243
  119  jge  0x40000214 vmsplice              ? 122 : 120
  120  jge  0x40000200 rt_sigaction          ? 121 : 245
  121  jeq  0x40000210 kexec_load            ? 243 : 244
  122  jge  0x40000216 preadv                ? 123 : 243
  123  jge  0x40000224                       ? 245 : 244
  124  ld   arg0.upper
  125  jeq  0                                ? 126 : 245
  126  ld   arg0.lower
  127  jeq  0                                ? 244 : 128
  128  jeq  8                                ? 244 : 129
  129  jeq  0x20000                          ? 244 : 130
  130  jeq  0x20008                          ? 244 : 131
  131  jeq  0xffffffff                       ? 244 : 245
  132  ld   arg0.upper
  133  jeq  0                                ? 134 : 244
  134  ld   arg0.lower
  135  jeq  0x28                             ? 243 : 136
  136  jeq  0x10                             ? 137 : 244
  137  ld   arg2.upper
  138  jeq  0                                ? 139 : 244
  139  ld   arg2.lower
  140  jeq  9                                ? 236 : 244
  141  jeq  x86                              ? 142 : 246
x86:
  142  ld   nr
  143  jge  138 setfsuid                     ? 189 : 144
  144  jge  75 setrlimit                     ? 169 : 145
  145  jge  53 lock                          ? 158 : 146
  146  jge  31 stty                          ? 152 : 147
  147  jge  19 lseek                         ? 150 : 148
  148  jge  17 break                         ? 149 : 244
  149  jge  18 oldstat                       ? 243 : 245
  150  jeq  28 oldfstat                      ? 243 : 151
  151  jeq  25 stime                         ? 243 : 244
  152  jge  36 sync                          ? 156 : 153
  153  jge  34 nice                          ? 155 : 154
  154  jge  33 access                        ? 244 : 245
  155  jge  35 ftime                         ? 245 : 243
  156  jeq  51 acct                          ? 243 : 157
  157  jeq  44 prof                          ? 245 : 244
  158  jge  63 dup2                          ? 164 : 159
  159  jge  58 ulimit                        ? 162 : 160
  160  jge  54 ioctl                         ? 161 : 245
  161  jeq  56 mpx                           ? 245 : 244
  162  jge  59 oldolduname                   ? 163 : 245
  163  jeq  60 umask                         ? 244 : 243
  164  jge  70 setreuid                      ? 167 : 165
  165  jge  67 sigaction                     ? 166 : 244
  166  jge  68 sgetmask                      ? 243 : 245
  167  jge  72 sigsuspend                    ? 168 : 244
  168  jge  74 sethostname                   ? 243 : 245
  169  jge  109 olduname                     ? 178 : 170
  170  jge  88 reboot                        ? 174 : 171
  171  jge  86 uselib                        ? 243 : 172
  172  jeq  84 oldlstat                      ? 243 : 173
  173  jeq  79 settimeofday                  ? 243 : 244
  174  jge  101 ioperm                       ? 177 : 175
  175  jeq  98 profil                        ? 245 : 176
  176  jeq  89 readdir                       ? 245 : 244
  177  jge  102 socketcall                   ? 244 : 243
  178  jge  128 init_module                  ? 184 : 179
  179  jge  116 sysinfo                      ? 182 : 180
  180  jeq  114 wait4                        ? 244 : 181
  181  jeq  112 idle                         ? 245 : 243
  182  jge  127 create_module                ? 245 : 183
  183  jeq  121 setdomainname                ? 243 : 244
  184  jge  134 bdflush                      ? 187 : 185
  185  jge  132 getpgid                      ? 244 : 186
  186  jeq  130 get_kernel_syms              ? 245 : 243
  187  jge  136 personality                  ? 188 : 243
  188  jge  137 afs_syscall                  ? 245 : 237
  189  jge  349 kcmp                         ? 211 : 190
  190  jge  265 clock_gettime                ? 202 : 191
  191  jge  224 gettid                       ? 199 : 192
  192  jge  170 setresgid                    ? 196 : 193
  193  jge  166 vm86                         ? 195 : 194
  194  jeq  149 _sysctl                      ? 245 : 244
  195  jeq  168 poll                         ? 244 : 243
  196  jge  190 vfork                        ? 198 : 197
  197  jge  188 getpmsg                      ? 245 : 244
  198  jge  222                              ? 245 : 244
  199  jge  264 clock_settime                ? 243 : 200
  200  jeq  253 lookup_dcookie               ? 243 : 201
  201  jeq  251                              ? 245 : 244
  202  jge  288 keyctl                       ? 206 : 203
  203  jge  285                              ? 245 : 204
  204  jeq  283 kexec_load                   ? 243 : 205
  205  jeq  273 vserver                      ? 245 : 244
  206  jge  318 getcpu                       ? 209 : 207
  207  jge  316 vmsplice                     ? 243 : 208
  208  jeq  294 migrate_pages                ? 243 : 244
  209  jeq  342 open_by_handle_at            ? 243 : 210
  210  jeq  336 perf_event_open              ? 243 : 244
  211  jge  415                              ? 221 : 212
  212  jge  374 userfaultfd                  ? 216 : 213
  213  jge  351 sched_setattr                ? 214 : 243
  214  jeq  359 socket                       ? 231 : 215
  215  jeq  357 bpf                          ? 243 : 244
  216  jge  387                              ? 219 : 217
  217  jge  375 membarrier                   ? 218 : 243
  218  jeq  385 io_pgetevents                ? 243 : 244
  219  jge  393 semget                       ? 220 : 245
  220  jeq  404 clock_settime64              ? 243 : 244
  221  jge  449 futex_waitv                  ? 228 : 222
  222  jge  428 open_tree                    ? 226 : 223
  223  jge  417 recvmmsg_time64              ? 225 : 224
  224  jge  416 io_pgetevents_time64         ? 243 : 245
  225  jge  425 io_uring_setup               ? 245 : 244
  226  jeq  443 quotactl_fd                  ? 243 : 227
  227  jeq  440 process_madvise              ? 243 : 244
  228  jge  457 statmount                    ? 245 : 229
  229  jeq  452 fchmodat2                    ? 244 : 230
  230  jeq  450 set_mempolicy_home_node      ? 245 : 243
  231  ld   arg0.lower
  232  jeq  0x28                             ? 243 : 233
  233  jeq  0x10                             ? 234 : 244
  234  ld   arg2.lower
  235  jeq  9                                ? 236 : 244
  236  ret  ERRNO EINVAL (invalid argument)
  237  ld   arg0.lower
  238  jeq  0                                ? 244 : 239
  239  jeq  8                                ? 244 : 240
  240  jeq  0x20000                          ? 244 : 241
  241  jeq  0x20008                          ? 244 : 242
  242  jeq  0xffffffff                       ? 244 : 245
  243  ret  ERRNO EPERM (operation not permitted)
  244  ret  ALLOW
  245  ret  ERRNO ENOSYS (not implemented by this kernel)
  246  ret  KILL_THREAD
