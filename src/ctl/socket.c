/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "src/ctl/socket.h"

#include <errno.h>
#include <grp.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#define BACKLOG          128
#define MODE_FOLDER      0755
#define MODE_GROUP       0660
#define UMASK_ROOT_ALONE 0177
#define SOCKET_FLAGS     (SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC)

static int unix_name(const char *path, struct sockaddr_un *out)
{
	size_t len = strlen(path);

	memset(out, 0, sizeof(*out));
	out->sun_family = AF_UNIX;
	if (len == 0 || len >= sizeof(out->sun_path))
		return -ENAMETOOLONG;
	memcpy(out->sun_path, path, len);
	return 0;
}

static int make_folder(const char *path)
{
	char folder[CONFIG_SOCKET_MAX];
	const char *slash = strrchr(path, '/');
	size_t len = slash ? (size_t)(slash - path) : 0;

	if (len == 0 || len >= sizeof(folder))
		return 0;
	memcpy(folder, path, len);
	folder[len] = '\0';
	return mkdir(folder, MODE_FOLDER) < 0 && errno != EEXIST ? -errno : 0;
}

/* Returns 0 when nobody listens behind @name any more. */
static int is_stale(const struct sockaddr_un *name)
{
	struct stat st;
	int fd, err = 0;

	if (lstat(name->sun_path, &st) < 0)
		return errno == ENOENT ? 0 : -errno;
	if (!S_ISSOCK(st.st_mode))
		return -ENOTSOCK;
	fd = socket(AF_UNIX, SOCKET_FLAGS, 0);
	if (fd < 0)
		return -errno;
	/* With a full backlog the answer is EAGAIN: somebody is there. */
	if (connect(fd, (const struct sockaddr *)name, sizeof(*name)) == 0 || errno == EAGAIN)
		err = -EADDRINUSE;
	else if (errno != ECONNREFUSED && errno != ENOENT)
		err = -errno;
	close(fd);
	return err;
}

static int bind_private(int fd, const struct sockaddr_un *name)
{
	mode_t mask = umask(UMASK_ROOT_ALONE);
	int err = bind(fd, (const struct sockaddr *)name, sizeof(*name)) < 0 ? -errno : 0;

	umask(mask);
	return err;
}

static int bind_over_stale(int fd, const struct sockaddr_un *name)
{
	int err = bind_private(fd, name);

	if (err != -EADDRINUSE)
		return err;
	err = is_stale(name);
	if (err)
		return err;
	if (unlink(name->sun_path) < 0 && errno != ENOENT)
		return -errno;
	return bind_private(fd, name);
}

static int open_to_group(const char *path, gid_t gid)
{
	if (chown(path, (uid_t)-1, gid) < 0 || chmod(path, MODE_GROUP) < 0)
		return -errno;
	return 0;
}

static int find_group(const char *name, gid_t *out)
{
	const struct group *group;

	errno = 0;
	group = getgrnam(name);
	if (!group)
		return errno ? -errno : -ENOENT;
	*out = group->gr_gid;
	return 0;
}

static int remember(struct control_socket *s, const char *path)
{
	struct stat st;

	if (lstat(path, &st) < 0)
		return -errno;
	s->dev = st.st_dev;
	s->ino = st.st_ino;
	memcpy(s->path, path, strlen(path) + 1);
	return 0;
}

/* It listens before anybody but root can reach it: who connects is never told that it is dead. */
static int listen_at(struct control_socket *s, const struct sockaddr_un *name, const gid_t *gid)
{
	int err = bind_over_stale(s->fd, name);

	if (!err)
		err = remember(s, name->sun_path);
	if (!err && listen(s->fd, BACKLOG) < 0)
		err = -errno;
	if (!err && gid)
		err = open_to_group(name->sun_path, *gid);
	return err;
}

int control_socket_open(
	struct control_socket *s, const char *path, const char *group, const char **what)
{
	struct sockaddr_un name;
	gid_t gid = 0;
	int err = group[0] ? find_group(group, &gid) : 0;

	memset(s, 0, sizeof(*s));
	s->fd = -1;
	*what = group;
	if (err)
		return err;
	*what = path;
	err = unix_name(path, &name);
	if (!err)
		err = make_folder(path);
	if (err)
		return err;
	s->fd = socket(AF_UNIX, SOCKET_FLAGS, 0);
	if (s->fd < 0)
		return -errno;
	err = listen_at(s, &name, group[0] ? &gid : NULL);
	if (!err)
		return 0;
	control_socket_remove(s);
	close(s->fd);
	s->fd = -1;
	return err;
}

void control_socket_remove(const struct control_socket *s)
{
	struct stat st;

	if (s->path[0] && lstat(s->path, &st) == 0 && st.st_dev == s->dev && st.st_ino == s->ino)
		(void)unlink(s->path);
}

static int bind_tcp(int fd, const struct addr *addr, uint16_t port)
{
	struct sockaddr_in v4 = {.sin_family = AF_INET, .sin_port = htons(port)};
	struct sockaddr_in6 v6 = {.sin6_family = AF_INET6, .sin6_port = htons(port)};

	if (addr_is_v4(addr)) {
		memcpy(&v4.sin_addr, addr_v4(addr), sizeof(v4.sin_addr));
		return bind(fd, (const struct sockaddr *)&v4, sizeof(v4));
	}
	memcpy(&v6.sin6_addr, addr->octet, sizeof(v6.sin6_addr));
	return bind(fd, (const struct sockaddr *)&v6, sizeof(v6));
}

int metrics_socket_open(const struct addr *addr, uint16_t port)
{
	int family = addr_is_v4(addr) ? AF_INET : AF_INET6, on = 1, err;
	int fd = socket(family, SOCKET_FLAGS, 0);

	if (fd < 0)
		return -errno;
	/* A restart must not wait for the last one's connections to be forgotten. */
	(void)setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	if (bind_tcp(fd, addr, port) == 0 && listen(fd, BACKLOG) == 0)
		return fd;
	err = -errno;
	close(fd);
	return err;
}
