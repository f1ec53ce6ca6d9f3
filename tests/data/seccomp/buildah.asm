    0  ld   arch
    1  jeq  x86_64                           ? 2 : 139
x86_64, x32:
    2  ld   nr
    3  jge  0x400000a3 acct                  ? 68 : 4
    4  jge  248 add_key                      ? 24 : 5
    5  jge  167 swapon                       ? 15 : 6
    6  jge  137 statfs                       ? 10 : 7
    7  jge  134 uselib                       ? 9 : 8
    8  jeq  41 socket                        ? 130 : 242
    9  jeq  135 personality                  ? 122 : 241
   10  jge  163 acct                         ? 14 : 11
   11  jeq  156 _sysctl                      ? 243 : 12
   12  jeq  153 vhangup                      ? 241 : 13
   13  jeq  139 sysfs                        ? 241 : 242
   14  jge  165 mount                        ? 242 : 241
   15  jge  186 gettid                       ? 20 : 16
   16  jge  181 getpmsg                      ? 243 : 17
   17  jeq  177 get_kernel_syms              ? 243 : 18
   18  jeq  174 create_module                ? 243 : 19
   19  jeq  169 reboot                       ? 242 : 241
   20  jeq  246 kexec_load                   ? 241 : 21
   21  jeq  236 vserver                      ? 243 : 22
   22  jeq  227 clock_settime                ? 241 : 23
   23  jeq  212 lookup_dcookie               ? 241 : 242
   24  jge  0x4000000f                       ? 48 : 25
   25  jge  324 membarrier                   ? 36 : 26
   26  jge  280 utimensat                    ? 30 : 27
   27  jge  250 keyctl                       ? 28 : 243
   28  jge  278 vmsplice                     ? 241 : 29
   29  jeq  256 migrate_pages                ? 241 : 242
   30  jge  312 kcmp                         ? 33 : 31
   31  jeq  304 open_by_handle_at            ? 241 : 32
   32  jeq  298 perf_event_open              ? 241 : 242
   33  jge  320 kexec_file_load              ? 35 : 34
   34  jge  314 sched_setattr                ? 242 : 241
   35  jeq  322 execveat                     ? 242 : 241
   36  jge  449 futex_waitv                  ? 43 : 37
   37  jge  428 open_tree                    ? 41 : 38
   38  jge  335 uretprobe                    ? 40 : 39
   39  jeq  333 io_pgetevents                ? 241 : 242
   40  jeq  424 pidfd_send_signal            ? 242 : 243
   41  jeq  443 quotactl_fd                  ? 241 : 42
   42  jeq  440 process_madvise              ? 241 : 242
   43  jge  457 statmount                    ? 46 : 44
   44  jeq  452 fchmodat2                    ? 242 : 45
   45  jeq  450 set_mempolicy_home_node      ? 243 : 241
   46  jge  0x40000000 read                  ? 47 : 243
   47  jeq  0x4000000d                       ? 243 : 242
   48  jge  0x4000007f                       ? 59 : 49
   49  jge  0x4000002d                       ? 54 : 50
   50  jge  0x40000013                       ? 52 : 51
   51  jge  0x40000011 pread64               ? 242 : 243
   52  jge  0x40000015 access                ? 53 : 243
   53  jeq  0x40000029 socket                ? 229 : 242
   54  jge  0x40000038 clone                 ? 57 : 55
   55  jge  0x40000030 shutdown              ? 56 : 243
   56  jge  0x40000036                       ? 243 : 242
   57  jeq  0x40000065                       ? 243 : 58
   58  jeq  0x4000003b                       ? 243 : 242
   59  jge  0x40000089 statfs                ? 65 : 60
   60  jge  0x40000086                       ? 63 : 61
   61  jge  0x40000084 utime                 ? 242 : 62
   62  jeq  0x40000082 rt_sigsuspend         ? 242 : 243
   63  jge  0x40000087 personality           ? 64 : 243
   64  jge  0x40000088 ustat                 ? 241 : 235
   65  jeq  0x4000009c                       ? 243 : 66
   66  jeq  0x40000099 vhangup               ? 241 : 67
   67  jeq  0x4000008b sysfs                 ? 241 : 242
   68  jge  0x40000118 utimensat             ? 94 : 69
   69  jge  0x400000d8 remap_file_pages      ? 84 : 70
   70  jge  0x400000cd                       ? 78 : 71
   71  jge  0x400000a7 swapon                ? 73 : 72
   72  jge  0x400000a5 mount                 ? 242 : 241
   73  jge  0x400000b1                       ? 76 : 74
   74  jeq  0x400000ae                       ? 243 : 75
   75  jeq  0x400000a9 reboot                ? 242 : 241
   76  jge  0x400000ba gettid                ? 242 : 77
   77  jeq  0x400000b3 quotactl              ? 241 : 243
   78  jge  0x400000d4 lookup_dcookie        ? 82 : 79
   79  jge  0x400000cf io_destroy            ? 80 : 243
   80  jge  0x400000d3                       ? 243 : 81
   81  jeq  0x400000d1                       ? 243 : 242
   82  jge  0x400000d5 epoll_create          ? 83 : 241
   83  jge  0x400000d6                       ? 243 : 242
   84  jge  0x400000f6                       ? 89 : 85
   85  jeq  0x400000f4                       ? 243 : 86
   86  jeq  0x400000ec                       ? 243 : 87
   87  jeq  0x400000e3 clock_settime         ? 241 : 88
   88  jeq  0x400000de                       ? 243 : 242
   89  jge  0x40000111                       ? 92 : 90
   90  jge  0x400000fa keyctl                ? 91 : 243
   91  jeq  0x40000100 migrate_pages         ? 241 : 242
   92  jge  0x40000113 splice                ? 93 : 243
   93  jge  0x40000116                       ? 243 : 242
   94  jge  0x40000149 pkey_mprotect         ? 107 : 95
   95  jge  0x40000138 kcmp                  ? 102 : 96
   96  jge  0x4000012c fanotify_init         ? 99 : 97
   97  jge  0x40000127                       ? 98 : 242
   98  jeq  0x4000012a perf_event_open       ? 241 : 243
   99  jge  0x40000136                       ? 243 : 100
  100  jeq  0x40000133                       ? 243 : 101
  101  jeq  0x40000130 open_by_handle_at     ? 241 : 242
  102  jge  0x40000140 kexec_file_load       ? 104 : 103
  103  jge  0x4000013a sched_setattr         ? 242 : 241
  104  jge  0x40000144 membarrier            ? 106 : 105
  105  jeq  0x40000142                       ? 243 : 241
  106  jge  0x40000147                       ? 243 : 242
  107  jge  0x400001c9 statmount             ? 117 : 108
  108  jge  0x400001ac open_tree             ? 112 : 109
  109  jge  0x4000014f uretprobe             ? 111 : 110
  110  jeq  0x4000014d io_pgetevents         ? 241 : 242
  111  jeq  0x400001a8 pidfd_send_signal     ? 242 : 243
  112  jge  0x400001c1 futex_waitv           ? 115 : 113
  113  jeq  0x400001bb quotactl_fd           ? 241 : 114
  114  jeq  0x400001b8 process_madvise       ? 241 : 242
  115  jeq  0x400001c4 fchmodat2             ? 242 : 116
  116  jeq  0x400001c2 set_mempolicy_home_node ? 243 : 241
  117  jge  0x40000214 vmsplice              ? 120 : 118
  118  jge  0x40000200 rt_sigaction          ? 119 : 243
  119  jeq  0x40000210 kexec_load            ? 241 : 242
  120  jge  0x40000216 preadv                ? 121 : 241
  121  jge  0x40000224                       ? 243 : 242
  122  ld   arg0.upper
  123  jeq  0                                ? 124 : 243
  124  ld   arg0.lower
  125  jeq  0                                ? 242 : 126
  126  jeq  8                                ? 242 : 127
  127  jeq  0x20000                          ? 242 : 128
  128  jeq  0x20008                          ? 242 : 129
  129  jeq  0xffffffff                       ? 242 : 243
  130  ld   arg0.upper
  131  jeq  0                                ? 132 : 242
  132  ld   arg0.lower
  133  jeq  0x28                             ? 241 : 134
  134  jeq  0x10                             ? 135 : 242
  135  ld   arg2.upper
  136  jeq  0                                ? 137 : 242
  137  ld   arg2.lower
  138  jeq  9                                ? 234 : 242
  139  jeq  x86                              ? 140 : 244
x86:
  140  ld   nr
  141  jge  138 setfsuid                     ? 187 : 142
  142  jge  75 setrlimit                     ? 167 : 143
  143  jge  53 lock                          ? 156 : 144
  144  jge  31 stty                          ? 150 : 145
  145  jge  19 lseek                         ? 148 : 146
  146  jge  17 break                         ? 147 : 242
  147  jge  18 oldstat                       ? 241 : 243
  148  jeq  28 oldfstat                      ? 241 : 149
  149  jeq  25 stime                         ? 241 : 242
  150  jge  36 sync                          ? 154 : 151
  151  jge  34 nice                          ? 153 : 152
  152  jge  33 access                        ? 242 : 243
  153  jge  35 ftime                         ? 243 : 241
  154  jeq  51 acct                          ? 241 : 155
  155  jeq  44 prof                          ? 243 : 242
  156  jge  67 sigaction                     ? 163 : 157
  157  jge  58 ulimit                        ? 160 : 158
  158  jge  54 ioctl                         ? 159 : 243
  159  jeq  56 mpx                           ? 243 : 242
  160  jge  60 umask                         ? 162 : 161
  161  jge  59 oldolduname                   ? 241 : 243
  162  jeq  62 ustat                         ? 241 : 242
  163  jge  70 setreuid                      ? 165 : 164
  164  jge  68 sgetmask                      ? 241 : 243
  165  jge  72 sigsuspend                    ? 166 : 242
  166  jge  74 sethostname                   ? 241 : 243
  167  jge  109 olduname                     ? 176 : 168
  168  jge  88 reboot                        ? 172 : 169
  169  jge  86 uselib                        ? 241 : 170
  170  jeq  84 oldlstat                      ? 241 : 171
  171  jeq  79 settimeofday                  ? 241 : 242
  172  jge  101 ioperm                       ? 175 : 173
  173  jeq  98 profil                        ? 243 : 174
  174  jeq  89 readdir                       ? 243 : 242
  175  jge  102 socketcall                   ? 242 : 241
  176  jge  128 init_module                  ? 182 : 177
  177  jge  116 sysinfo                      ? 180 : 178
  178  jeq  114 wait4                        ? 242 : 179
  179  jeq  112 idle                         ? 243 : 241
  180  jge  127 create_module                ? 243 : 181
  181  jeq  121 setdomainname                ? 241 : 242
  182  jge  134 bdflush                      ? 185 : 183
  183  jge  132 getpgid                      ? 242 : 184
  184  jeq  130 get_kernel_syms              ? 243 : 241
  185  jge  136 personality                  ? 186 : 241
  186  jge  137 afs_syscall                  ? 243 : 235
  187  jge  349 kcmp                         ? 209 : 188
  188  jge  265 clock_gettime                ? 200 : 189
  189  jge  224 gettid                       ? 197 : 190
  190  jge  170 setresgid                    ? 194 : 191
  191  jge  166 vm86                         ? 193 : 192
  192  jeq  149 _sysctl                      ? 243 : 242
  193  jeq  168 poll                         ? 242 : 241
  194  jge  190 vfork                        ? 196 : 195
  195  jge  188 getpmsg                      ? 243 : 242
  196  jge  222                              ? 243 : 242
  197  jge  264 clock_settime                ? 241 : 198
  198  jeq  253 lookup_dcookie               ? 241 : 199
  199  jeq  251                              ? 243 : 242
  200  jge  288 keyctl                       ? 204 : 201
  201  jge  285                              ? 243 : 202
  202  jeq  283 kexec_load                   ? 241 : 203
  203  jeq  273 vserver                      ? 243 : 242
  204  jge  318 getcpu                       ? 207 : 205
  205  jge  316 vmsplice                     ? 241 : 206
  206  jeq  294 migrate_pages                ? 241 : 242
  207  jeq  342 open_by_handle_at            ? 241 : 208
  208  jeq  336 perf_event_open              ? 241 : 242
  209  jge  415                              ? 219 : 210
  210  jge  374 userfaultfd                  ? 214 : 211
  211  jge  351 sched_setattr                ? 212 : 241
  212  jeq  359 socket                       ? 229 : 213
  213  jeq  357 bpf                          ? 241 : 242
  214  jge  387                              ? 217 : 215
  215  jge  375 membarrier                   ? 216 : 241
  216  jeq  385 io_pgetevents                ? 241 : 242
  217  jge  393 semget                       ? 218 : 243
  218  jeq  404 clock_settime64              ? 241 : 242
  219  jge  449 futex_waitv                  ? 226 : 220
  220  jge  428 open_tree                    ? 224 : 221
  221  jge  417 recvmmsg_time64              ? 223 : 222
  222  jge  416 io_pgetevents_time64         ? 241 : 243
  223  jge  425 io_uring_setup               ? 243 : 242
  224  jeq  443 quotactl_fd                  ? 241 : 225
  225  jeq  440 process_madvise              ? 241 : 242
  226  jge  457 statmount                    ? 243 : 227
  227  jeq  452 fchmodat2                    ? 242 : 228
  228  jeq  450 set_mempolicy_home_node      ? 243 : 241
  229  ld   arg0.lower
  230  jeq  0x28                             ? 241 : 231
  231  jeq  0x10                             ? 232 : 242
  232  ld   arg2.lower
  233  jeq  9                                ? 234 : 242
  234  ret  ERRNO EINVAL (invalid argument)
  235  ld   arg0.lower
  236  jeq  0                                ? 242 : 237
  237  jeq  8                                ? 242 : 238
  238  jeq  0x20000                          ? 242 : 239
  239  jeq  0x20008                          ? 242 : 240
  240  jeq  0xffffffff                       ? 242 : 243
  241  ret  ERRNO EPERM (operation not permitted)
  242  ret  ALLOW
  243  ret  ERRNO ENOSYS (not implemented by this kernel)
  244  ret  KILL_THREAD
