# The causes of the layer clock.
clock-skew = This machine's clock is wrong
    .title = This machine's clock is { $seconds } s off
    .means = The clock is so far off that valid certificates look expired or not yet valid, or that signed requests to AWS are refused. Every TLS server is affected, not only the API. The certificate is good; it is only judged at the wrong time.
    .run-1 = sudo timedatectl set-ntp true
    .why-1 = Switches time synchronisation on, on Linux with systemd.
    .run-2 = date -u && curl -sS -I http://api.anthropic.com | grep -i '^date:'
    .why-2 = Prints this machine's time and below it the time in the server's answer, in the same zone.
    .fix-3 = Run sudo hwclock -s if this is WSL; its clock stands still while the computer sleeps.
    .fix-4 = Set the clock of the host if the program runs in a container or a virtual machine; a container has no clock of its own.
