// Makes servers that listen on a loopback address of the workspace reachable at its own address, as the gateway reaches all others:
// for each port on which something listens on 127.0.0.0/8 or ::1 alone, listens on this network's addresses, and passes bytes on.
//   workspace-relay [PORT…]     PORT: never that one
// It listens nowhere else than a program of the workspace could itself, so that whatever keeps others from the workspace's address
// keeps them from this. Where a program binds the port itself, or ends, this one's place is free within a moment.
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <ifaddrs.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/inet_diag.h>
#include <linux/netlink.h>
#include <linux/seccomp.h>
#include <linux/sock_diag.h>
#include <net/if.h>
#include <signal.h>
#include <stddef.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

enum { IDLE_MS = 500, BUSY_MS = 100, ROUNDS_FOR_ADDRESSES = 40, BUFFER = 16384, MOST_PORTS = 256, LISTEN = 10, LOOPBACK4 = 1, LOOPBACK6 = 2, OUTSIDE = 4 };

typedef struct {
	uint16_t port;
	bool v6;      // the server's loopback address
	int family;   // of this network's address, at which it listens
	int fd;
} Listener;

typedef struct Connection Connection;
typedef struct {
	Connection *of;
	int fd;
	bool ended, shut; // it sends no more; it was told that nothing more comes
	size_t from, to;  // of what was read from it, and waits for the other side
	char buffer[BUFFER];
} Side;
struct Connection {
	Side side[2]; // who came; the server
	bool open, gone;
	Connection *next;
};

static int poller, count, connections, most_connections = 2000;
static Listener listeners[MOST_PORTS];
static uint8_t seen[65536]; // LOOPBACK4 | LOOPBACK6 | OUTSIDE
static bool never[65536];
static uint32_t own; // this network's IPv4 address, in network order; 0: none
static struct in6_addr own6;
static bool has_own6;
static Connection *finished;

static void find_address(void) {
	struct ifaddrs *all, *at;
	if (getifaddrs(&all) != 0) return;
	for (at = all; at; at = at->ifa_next) {
		if (!at->ifa_addr || (at->ifa_flags & IFF_LOOPBACK)) continue;
		if (at->ifa_addr->sa_family == AF_INET && !own) own = ((struct sockaddr_in *)at->ifa_addr)->sin_addr.s_addr;
		if (at->ifa_addr->sa_family == AF_INET6 && !has_own6) {
			struct in6_addr *found = &((struct sockaddr_in6 *)at->ifa_addr)->sin6_addr;
			if (IN6_IS_ADDR_LINKLOCAL(found)) continue;
			own6 = *found;
			has_own6 = true;
		}
	}
	freeifaddrs(all);
}

static bool is_ours(uint16_t port, int family) {
	for (int i = 0; i < count; i++)
		if (listeners[i].port == port && listeners[i].family == family) return true;
	return false;
}

static void note(bool v6, const uint32_t word[4], unsigned port) { // a socket that listens; its address as it is in memory
	uint32_t v4 = v6 ? word[3] : word[0];
	bool mapped = v6 && !word[0] && !word[1] && word[2] == htonl(0xffff);
	bool wild = v6 && !word[0] && !word[1] && !word[2];
	if (!v6 || mapped) {
		if ((ntohl(v4) >> 24) == 127) seen[port] |= ntohl(v4) == INADDR_LOOPBACK ? LOOPBACK4 : 0;
		else if (v4 != own || !is_ours(port, AF_INET)) seen[port] |= OUTSIDE;
	} else if (wild && word[3] == htonl(1)) seen[port] |= LOOPBACK6;
	else if (!has_own6 || memcmp(word, &own6, sizeof own6) != 0 || !is_ours(port, AF_INET6)) seen[port] |= OUTSIDE;
}

static bool ask_kernel(int family) { // sock_diag(7): those that listen alone, which /proc/net/tcp finds among all of the machine
	static int fd = -1;
	static uint32_t number;
	static char answer[32768];
	struct {
		struct nlmsghdr header;
		struct inet_diag_req_v2 request;
	} asked = {
		.header = {.nlmsg_len = sizeof asked, .nlmsg_type = SOCK_DIAG_BY_FAMILY, .nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP, .nlmsg_seq = ++number},
		.request = {.sdiag_family = family, .sdiag_protocol = IPPROTO_TCP, .idiag_states = 1 << LISTEN},
	};
	if (fd < 0) {
		struct timeval patience = {.tv_sec = 1};
		fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_SOCK_DIAG);
		if (fd >= 0) setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
	}
	if (fd < 0 || send(fd, &asked, sizeof asked, 0) < 0) return false;
	for (;;) {
		ssize_t left = recv(fd, answer, sizeof answer, 0);
		if (left <= 0) return false;
		for (struct nlmsghdr *at = (struct nlmsghdr *)answer; NLMSG_OK(at, left); at = NLMSG_NEXT(at, left)) {
			struct inet_diag_msg *found = NLMSG_DATA(at);
			if (at->nlmsg_seq != number) continue;
			if (at->nlmsg_type == NLMSG_DONE) return true;
			if (at->nlmsg_type == NLMSG_ERROR) return false;
			note(family == AF_INET6, found->id.idiag_src, ntohs(found->id.idiag_sport));
		}
	}
}

static void read_table(const char *file, bool v6) { // a line per socket; its address as hexadecimal words of this machine's byte order
	char line[512];
	FILE *table = fopen(file, "re");
	if (!table) return;
	while (fgets(line, sizeof line, table)) {
		uint32_t word[4] = {0};
		unsigned port, state;
		int found = v6 ? sscanf(line, "%*u: %8x%8x%8x%8x:%4x %*x:%*x %2x", &word[0], &word[1], &word[2], &word[3], &port, &state) - 3
			       : sscanf(line, "%*u: %8x:%4x %*x:%*x %2x", &word[0], &port, &state);
		if (found == 3 && state == LISTEN && port <= 65535) note(v6, word, port);
	}
	fclose(table);
}

#if defined __x86_64__
#define HERE AUDIT_ARCH_X86_64
#elif defined __aarch64__
#define HERE AUDIT_ARCH_AARCH64
#endif

static void lock_down(void) { // no file, program or process is its business, as a credential may be beside it: it gives the means up
#ifdef HERE
	static const int denied[] = {
#ifdef SYS_open
		SYS_open, SYS_creat, SYS_fork, SYS_vfork,
#endif
		SYS_openat, 437 /* openat2 */, SYS_open_by_handle_at, SYS_execve, SYS_execveat, SYS_clone, 435 /* clone3 */, SYS_ptrace,
		SYS_process_vm_readv, SYS_process_vm_writev, 434 /* pidfd_open */, 438 /* pidfd_getfd */, 425 /* io_uring_setup */, SYS_kill,
	};
	enum { DENIED = sizeof denied / sizeof *denied };
	struct sock_filter rules[DENIED + 8];
	int n = 0;
	rules[n++] = (struct sock_filter)BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, arch));
	rules[n++] = (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, HERE, 1, 0);
	rules[n++] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_KILL);
	rules[n++] = (struct sock_filter)BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr));
	rules[n++] = (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JGE | BPF_K, 0x40000000, DENIED + 1, 0); // x32
	for (int i = 0; i < DENIED; i++) rules[n++] = (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, denied[i], DENIED - i, 0);
	rules[n++] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW);
	rules[n++] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EPERM);
	struct sock_fprog program = {.len = n, .filter = rules};
	prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
	prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program);
#endif
}

static void watch(int fd, uint32_t events, void *what, bool first) {
	struct epoll_event event = {.events = events, .data.ptr = what};
	epoll_ctl(poller, first ? EPOLL_CTL_ADD : EPOLL_CTL_MOD, fd, &event);
}

static void stop_listening(int index) {
	close(listeners[index].fd);
	listeners[index] = listeners[--count];
	if (index < count) watch(listeners[index].fd, EPOLLIN, &listeners[index], false);
}

static void start_listening(uint16_t port, bool v6, int family) {
	struct sockaddr_in v4_address = {.sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = own};
	struct sockaddr_in6 v6_address = {.sin6_family = AF_INET6, .sin6_port = htons(port), .sin6_addr = own6};
	int fd = socket(family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0), yes = 1;
	if (fd < 0) return;
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes);
	int done = family == AF_INET6 ? bind(fd, (struct sockaddr *)&v6_address, sizeof v6_address)
				      : bind(fd, (struct sockaddr *)&v4_address, sizeof v4_address);
	if (done != 0 || listen(fd, 128) != 0) {
		close(fd);
		return;
	}
	listeners[count] = (Listener){.port = port, .v6 = v6, .family = family, .fd = fd};
	watch(fd, EPOLLIN, &listeners[count++], true);
}

static void update(void) {
	memset(seen, 0, sizeof seen);
	if (!ask_kernel(AF_INET)) read_table("/proc/net/tcp", false);
	if (!ask_kernel(AF_INET6)) read_table("/proc/net/tcp6", true);
	for (int i = count - 1; i >= 0; i--) {
		uint8_t now = seen[listeners[i].port];
		if ((now & OUTSIDE) || !(now & (listeners[i].v6 ? LOOPBACK6 : LOOPBACK4))) stop_listening(i);
	}
	for (int port = 1; port < 65536; port++) {
		if (!seen[port] || (seen[port] & OUTSIDE) || never[port]) continue;
		bool v6 = !(seen[port] & LOOPBACK4);
		if (own && count < MOST_PORTS && !is_ours(port, AF_INET)) start_listening(port, v6, AF_INET);
		if (has_own6 && count < MOST_PORTS && !is_ours(port, AF_INET6)) start_listening(port, v6, AF_INET6);
	}
}

static void end(Connection *connection) { // freed once no event of this round can name it any more
	if (connection->gone) return;
	connection->gone = true;
	close(connection->side[0].fd);
	close(connection->side[1].fd);
	connection->next = finished;
	finished = connection;
	connections--;
}

static void accept_one(Listener *listener) {
	int fd = accept4(listener->fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
	if (fd < 0) return;
	int server = socket(listener->v6 ? AF_INET6 : AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	Connection *connection = server >= 0 && connections < most_connections ? calloc(1, sizeof *connection) : NULL;
	if (!connection) {
		close(fd);
		if (server >= 0) close(server);
		return;
	}
	struct sockaddr_in v4 = {.sin_family = AF_INET, .sin_port = htons(listener->port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	struct sockaddr_in6 v6 = {.sin6_family = AF_INET6, .sin6_port = htons(listener->port), .sin6_addr = IN6ADDR_LOOPBACK_INIT};
	int done = listener->v6 ? connect(server, (struct sockaddr *)&v6, sizeof v6) : connect(server, (struct sockaddr *)&v4, sizeof v4);
	bool under_way = done != 0 && errno == EINPROGRESS;
	connections++;
	for (int i = 0; i < 2; i++) {
		connection->side[i].of = connection;
		connection->side[i].fd = i ? server : fd;
	}
	if (done != 0 && !under_way) {
		end(connection);
		return;
	}
	watch(fd, 0, &connection->side[0], true);
	watch(server, EPOLLOUT, &connection->side[1], true);
}

static bool fill(Side *side) { // reads once; false: it is broken
	if (side->ended || side->to) return true;
	ssize_t got = read(side->fd, side->buffer, BUFFER);
	if (got > 0) side->to = got;
	else if (got == 0) side->ended = true;
	else if (errno != EAGAIN && errno != EINTR) return false;
	return true;
}

static bool drain(Side *side, Side *other) { // what was read from `side` goes to `other`
	while (side->from < side->to) {
		ssize_t sent = send(other->fd, side->buffer + side->from, side->to - side->from, MSG_NOSIGNAL);
		if (sent < 0) return errno == EAGAIN || errno == EINTR;
		side->from += sent;
	}
	side->from = side->to = 0;
	if (side->ended && !other->shut) {
		other->shut = true;
		shutdown(other->fd, SHUT_WR);
	}
	return true;
}

static void pass_on(Side *side, uint32_t events) {
	Connection *connection = side->of;
	if (connection->gone) return;
	Side *came = &connection->side[0], *server = &connection->side[1];
	if (!connection->open) {
		int error = 0;
		socklen_t size = sizeof error;
		getsockopt(server->fd, SOL_SOCKET, SO_ERROR, &error, &size);
		if (side != server || error || (events & (EPOLLERR | EPOLLHUP))) { // who came has gone, or the server has
			end(connection);
			return;
		}
		connection->open = true;
	}
	if ((events & EPOLLERR) || !fill(came) || !fill(server) || !drain(came, server) || !drain(server, came) ||
	    (came->shut && server->shut)) {
		end(connection);
		return;
	}
	for (int i = 0; i < 2; i++) {
		Side *here = &connection->side[i], *there = &connection->side[1 - i];
		uint32_t wanted = (!here->ended && !here->to ? EPOLLIN : 0) | (there->to ? EPOLLOUT : 0);
		if (!wanted && here == side && (events & EPOLLHUP)) epoll_ctl(poller, EPOLL_CTL_DEL, here->fd, NULL); // told for ever else
		else watch(here->fd, wanted, here, false);
	}
}

int main(int argc, char **argv) {
	struct epoll_event events[64];
	signal(SIGPIPE, SIG_IGN);
	for (int i = 1; i < argc; i++) never[(uint16_t)atoi(argv[i])] = true;
	struct rlimit files;
	if (getrlimit(RLIMIT_NOFILE, &files) == 0 && files.rlim_cur < 2 * 2000 + 300) // two of each, and what listens
		most_connections = files.rlim_cur > 400 ? (int)(files.rlim_cur - 300) / 2 : 50;
	poller = epoll_create1(EPOLL_CLOEXEC);
	if (poller < 0) return 1;
	if (ask_kernel(AF_INET)) lock_down(); // else it has tables to read
	for (int rounds = 0;; rounds += rounds < ROUNDS_FOR_ADDRESSES) {
		if ((!own && !has_own6) || ((!own || !has_own6) && rounds < ROUNDS_FOR_ADDRESSES)) find_address();
		if (own || has_own6) update();
		struct timespec now;
		clock_gettime(CLOCK_MONOTONIC, &now);
		int64_t until = now.tv_sec * 1000 + now.tv_nsec / 1000000 + (count ? BUSY_MS : IDLE_MS);
		for (int64_t left = until; left > 0;) {
			clock_gettime(CLOCK_MONOTONIC, &now);
			left = until - (now.tv_sec * 1000 + now.tv_nsec / 1000000);
			if (left <= 0) break;
			int got = epoll_wait(poller, events, 64, (int)left);
			for (int i = 0; i < got; i++) {
				void *what = events[i].data.ptr;
				if ((char *)what >= (char *)listeners && (char *)what < (char *)(listeners + MOST_PORTS)) accept_one(what);
				else pass_on(what, events[i].events);
			}
			while (finished) {
				Connection *next = finished->next;
				free(finished);
				finished = next;
			}
		}
	}
}
