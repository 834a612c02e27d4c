/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "src/identity/peers.h"
#include "src/identity/uapi.h"
#include "test/fuzz/fuzz.h"

#include <errno.h>

static void check_prefix(const struct config_prefix *prefix)
{
	FUZZ_ASSERT(prefix->len <= 128);
	for (size_t bit = prefix->len; bit < 128; bit++)
		FUZZ_ASSERT((prefix->addr.octet[bit / 8] & (0x80 >> (bit % 8))) == 0);
}

static void check_peers(const struct wireguard_peers *peers)
{
	for (size_t i = 0; i < peers->len; i++) {
		const struct wireguard_peer *p = &peers->peer[i];

		if (i > 0)
			FUZZ_ASSERT(memcmp(p[-1].key.octet, p->key.octet, sizeof(p->key)) <= 0);
		for (size_t j = 0; j < p->allowed_len; j++)
			check_prefix(&p->allowed[j]);
	}
}

/* Returns what uapi_parse() says; @out is to be freed in either case. */
static int parse(const uint8_t *data, size_t size, struct wireguard_peers *out)
{
	struct peer_list list = {0};
	int err = uapi_parse((const char *)data, size, &list);

	peer_list_finish(&list, out);
	return err;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct wireguard_peers once, again;
	int err = parse(data, size, &once);

	FUZZ_ASSERT(err == 0 || err == -EPROTO || err == -EREMOTEIO);
	check_peers(&once);
	FUZZ_ASSERT(parse(data, size, &again) == err);
	FUZZ_ASSERT(wireguard_peers_equal(&once, &again));
	wireguard_peers_fini(&again);
	wireguard_peers_fini(&once);
	return 0;
}
