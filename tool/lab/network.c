/* network.c: see network.h. */
#define _GNU_SOURCE
#include "lab/network.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <net/if.h>
#include <net/route.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <linux/if_tun.h>
#include <linux/netlink.h>
#include <linux/pkt_sched.h>
#include <linux/rtnetlink.h>

#include "lab/kit.h"

int
lab_tunnel(struct lab_case *lab)
{
    struct ifreq tunnel = {.ifr_name = "lab0", .ifr_flags = IFF_TUN | IFF_NO_PI};
    struct ifreq request = {.ifr_name = "lab0"};
    struct sockaddr_in *in = (struct sockaddr_in *)(void *)&request.ifr_addr;
    int end = open("/dev/net/tun", O_RDWR | O_CLOEXEC); /* stays open for as long as the interface is needed */
    int fd = lab_socket(lab, AF_INET, SOCK_DGRAM);

    if (end < 0 || ioctl(end, TUNSETIFF, &tunnel) != 0) {
        lab_advise(lab, "give this machine /dev/net/tun: `modprobe tun`, and in a container the device");
        lab_give_up(lab, "the network namespace got no tunnel (/dev/net/tun): %s", lab_errno(errno));
    }
    in->sin_family = AF_INET;
    inet_pton(AF_INET, "192.0.2.1", &in->sin_addr);
    if (ioctl(fd, SIOCSIFADDR, &request) != 0)
        lab_give_up_system(lab, errno, "the tunnel took no address");
    request.ifr_flags = IFF_UP | IFF_RUNNING | IFF_MULTICAST;
    if (ioctl(fd, SIOCSIFFLAGS, &request) != 0)
        lab_give_up_system(lab, errno, "the tunnel could not be switched on");
    memset(&request.ifr_ifru, 0, sizeof request.ifr_ifru);
    in->sin_family = AF_INET;
    inet_pton(AF_INET, "255.255.255.0", &in->sin_addr);
    if (ioctl(fd, SIOCSIFNETMASK, &request) != 0)
        lab_give_up_system(lab, errno, "the tunnel took no network mask");
    if (ioctl(fd, SIOCGIFINDEX, &request) != 0)
        lab_give_up_system(lab, errno, "the tunnel has no index");
    close(fd);
    return request.ifr_ifindex;
}

void
lab_gateway(struct lab_case *lab)
{
    struct rtentry route = {.rt_flags = RTF_UP | RTF_GATEWAY};
    struct sockaddr_in *gateway = (struct sockaddr_in *)(void *)&route.rt_gateway;
    int fd = lab_socket(lab, AF_INET, SOCK_DGRAM);

    route.rt_dst.sa_family = route.rt_genmask.sa_family = AF_INET;
    gateway->sin_family = AF_INET;
    inet_pton(AF_INET, "192.0.2.2", &gateway->sin_addr);
    if (ioctl(fd, SIOCADDRT, &route) != 0)
        lab_give_up_system(lab, errno, "the network namespace took no route by a gateway");
    close(fd);
}

/* A message of rtnetlink: its header, and attributes behind it. */
struct message {
    struct nlmsghdr header;
    struct tcmsg tc;
    char attributes[256];
};

/* Appends an attribute. Returns where it begins. */
static struct rtattr *
append(struct message *message, unsigned short type, const void *data, size_t len)
{
    struct rtattr *next = (struct rtattr *)(void *)((char *)message + NLMSG_ALIGN(message->header.nlmsg_len));

    next->rta_type = type;
    next->rta_len = (unsigned short)RTA_LENGTH(len);
    if (len > 0)
        memcpy(RTA_DATA(next), data, len);
    message->header.nlmsg_len = NLMSG_ALIGN(message->header.nlmsg_len) + (unsigned)RTA_ALIGN(next->rta_len);
    return next;
}

void
lab_slow_link(struct lab_case *lab, uint32_t rate)
{
    struct message message = {
        .header = {.nlmsg_len = NLMSG_LENGTH(sizeof message.tc),
                   .nlmsg_type = RTM_NEWQDISC,
                   .nlmsg_flags = NLM_F_REQUEST | NLM_F_CREATE | NLM_F_REPLACE | NLM_F_ACK},
        .tc = {.tcm_family = AF_UNSPEC, .tcm_ifindex = (int)if_nametoindex("lo"), .tcm_parent = TC_H_ROOT}};
    struct tc_tbf_qopt tokens = {.rate = {.linklayer = TC_LINKLAYER_ETHERNET, .rate = rate}, .limit = 1 << 20};
    uint32_t burst = 2000; /* one packet of an Ethernet */
    struct {
        struct nlmsghdr header;
        struct nlmsgerr error;
    } answer;
    int fd = socket(AF_NETLINK, SOCK_RAW, NETLINK_ROUTE);

    append(&message, TCA_KIND, "tbf", sizeof "tbf");
    struct rtattr *options = append(&message, TCA_OPTIONS, NULL, 0);
    append(&message, TCA_TBF_PARMS, &tokens, sizeof tokens);
    append(&message, TCA_TBF_BURST, &burst, sizeof burst);
    options->rta_len = (unsigned short)((char *)&message + message.header.nlmsg_len - (char *)options);
    memset(&answer, 0, sizeof answer);
    if (fd < 0 || send(fd, &message, message.header.nlmsg_len, 0) < 0 ||
        recv(fd, &answer, sizeof answer, 0) < (ssize_t)sizeof answer)
        lab_give_up_system(lab, errno, "loopback could not be made slow");
    if (answer.error.error != 0) {
        lab_advise(lab, "load its module (`modprobe sch_tbf`), or try a kernel that has it");
        lab_give_up(lab, "this kernel has no queue that makes a link slow (tc-tbf): %s",
                    lab_errno(-answer.error.error));
    }
    close(fd);
}

/* The counter of one file: lines in pairs, "TcpExt: NAME NAME ..." and "TcpExt: NUMBER NUMBER ...". */
static uint64_t
counter_in(const char *path, const char *group, const char *name)
{
    FILE *file = fopen(path, "re");
    static char names[16384], values[16384];
    size_t len = strlen(group);
    uint64_t found = MISSING;

    while (file != NULL && found == MISSING && fgets(names, sizeof names, file) != NULL &&
           fgets(values, sizeof values, file) != NULL) {
        char *next_name = names, *next_value = values, *each;
        if (strncmp(names, group, len) != 0 || names[len] != ':')
            continue;
        while ((each = strtok_r(next_name, " \n", &next_name)) != NULL) {
            const char *value = strtok_r(next_value, " \n", &next_value);
            if (value != NULL && strcmp(each, name) == 0)
                found = strtoull(value, NULL, 10);
        }
    }
    if (file != NULL)
        fclose(file);
    return found;
}

uint64_t
lab_counter(const char *group, const char *name)
{
    uint64_t found = counter_in("/proc/net/netstat", group, name);
    return found != MISSING ? found : counter_in("/proc/net/snmp", group, name);
}
