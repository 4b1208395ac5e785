# clock 层的各种原因。
clock-skew = 本机的时钟不准
    .title = 本机的时钟偏差 { $seconds } 秒
    .means = 时钟偏差太大，有效的证书看上去已过期或尚未生效，发往 AWS 的签名请求也会被拒绝。受影响的是所有 TLS 服务器，不只是 API。证书本身是好的，只是拿错误的时间去判断。
    .run-1 = sudo timedatectl set-ntp true
    .why-1 = 在使用 systemd 的 Linux 上打开时间同步。
    .run-2 = date -u && curl -sS -I http://api.anthropic.com | grep -i '^date:'
    .why-2 = 先打印本机时间，再打印服务器应答中的时间，两者时区相同。
    .fix-3 = 如果是 WSL，运行 sudo hwclock -s；电脑休眠期间它的时钟会停走。
    .fix-4 = 如果程序在容器或虚拟机中，校准宿主机的时钟；容器没有自己的时钟。
