/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "src/conf/content.h"

#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static int grow(struct content *c, size_t size)
{
	char *text = realloc(c->text, size);

	if (!text)
		return -ENOMEM;
	c->text = text;
	c->size = size;
	return 0;
}

/* To its end, wherever that is by now: somebody may be writing it. */
static int read_all(int fd, struct content *c)
{
	for (;;) {
		ssize_t n;

		if (c->len == c->size && grow(c, c->size * 2) < 0)
			return -ENOMEM;
		n = read(fd, c->text + c->len, c->size - c->len);
		if (n < 0 && errno != EINTR)
			return -errno;
		if (n == 0)
			return 0;
		if (n > 0)
			c->len += (size_t)n;
		if (c->len > CONTENT_MAX)
			return -EFBIG;
	}
}

static int read_regular(int fd, struct content *c)
{
	struct stat st;
	int err;

	if (fstat(fd, &st) < 0)
		return -errno;
	if (S_ISDIR(st.st_mode))
		return -EISDIR;
	if (!S_ISREG(st.st_mode))
		return -EINVAL;
	if ((uintmax_t)st.st_size > CONTENT_MAX)
		return -EFBIG;
	/* One more, so that the end shows without another round; some files say 0 for a size. */
	err = grow(c, (size_t)st.st_size + 4096);
	return err < 0 ? err : read_all(fd, c);
}

/* O_NONBLOCK: opening a FIFO must not wait for a writer. */
int content_read(const char *path, struct content *out)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	int err;

	*out = (struct content){0};
	if (fd < 0)
		return -errno;
	err = read_regular(fd, out);
	(void)close(fd);
	return err;
}

void content_fini(struct content *c)
{
	free(c->text);
}

const char *content_error(int err)
{
	switch (err) {
	case -EINVAL:
		return "not a regular file";
	case -EFBIG:
		return "larger than 67108864 octets";
	default:
		return strerror(-err);
	}
}
