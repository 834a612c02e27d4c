/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The admin's policy as the file says it, checked and with every default filled in.
 * A configuration never changes once it is loaded; a reload makes a new one.
 */
#ifndef TUNMAP_CONFIG_H
#define TUNMAP_CONFIG_H

#include "include/addr.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define CONFIG_INTERFACE_MAX 16  /* octets of an interface's name or glob with its NUL: IFNAMSIZ */
#define CONFIG_CLASS_MAX     32  /* octets of a class's name with its NUL */
#define CONFIG_USER_MAX      64  /* octets of a user's name with its NUL */
#define CONFIG_SOCKET_MAX    108 /* octets of a socket's path with its NUL: sun_path */
#define CONFIG_GROUP_MAX     33  /* octets of a group's name with its NUL */

/* Both ends are part of the range; first <= last. */
struct port_range {
	uint16_t first;
	uint16_t last;
};

static inline bool port_range_has(struct port_range range, uint16_t port)
{
	return range.first <= port && port <= range.last;
}

enum config_protocol {
	CONFIG_UDP = 1u << 0,
	CONFIG_TCP = 1u << 1,
};

enum config_zero_port {
	CONFIG_ZERO_REFUSE, /* internal port 0 with a lifetime is not authorized */
	CONFIG_ZERO_ASSIGN, /* it asks for external port = internal port, of our choice */
};

enum config_nonce {
	CONFIG_NONCE_RELAXED,
	CONFIG_NONCE_STRICT
};

enum config_announce {
	CONFIG_ANNOUNCE_AUTO,
	CONFIG_ANNOUNCE_OFF
};

enum config_masquerade {
	CONFIG_MASQUERADE_MANAGED,
	CONFIG_MASQUERADE_OFF
};

enum config_port_choice {
	CONFIG_PORT_RANDOM,
	CONFIG_PORT_STICKY
};

enum log_level {
	LOG_LEVEL_ERROR,
	LOG_LEVEL_WARNING,
	LOG_LEVEL_INFO,
	LOG_LEVEL_DEBUG
};

enum config_identity {
	CONFIG_IDENTITY_NONE,
	CONFIG_IDENTITY_PSEUDONYM,
	CONFIG_IDENTITY_FULL
};

enum config_ipv6 {
	CONFIG_IPV6_PINHOLE,
	CONFIG_IPV6_NAT66,
	CONFIG_IPV6_OFF
};

/* Where something stands in the policy. */
struct config_mark {
	uint32_t file; /* index into the configuration's files */
	uint32_t line; /* from 1; 0: nowhere, it is a default */
};

/* A prefix of addresses; an IPv4 prefix counts its 96 leading bits. */
struct config_prefix {
	struct addr addr;
	uint8_t len;
};

struct config_tunnel {
	char interface[CONFIG_INTERFACE_MAX]; /* a name, or a glob */
	struct addr *listen;                  /* none: every address of the interface */
	size_t listen_len;
};

struct config_external {
	char interface[CONFIG_INTERFACE_MAX]; /* a name; "" is the default route's interface */
	struct addr *addresses;               /* none: the interface's global addresses */
	size_t addresses_len;
	bool has_advertise;
	struct addr advertise; /* told to clients in place of the address */
};

/* The keys of a class, for their marks. */
enum config_class_key {
	CONFIG_CLASS_PORTS,
	CONFIG_CLASS_INTERNAL_PORTS,
	CONFIG_CLASS_PROTOCOLS,
	CONFIG_CLASS_MAPPINGS,
	CONFIG_CLASS_LIFETIME,
	CONFIG_CLASS_RATE,
	CONFIG_CLASS_PORT_CHOICE,
	CONFIG_CLASS_QUARANTINE,
	CONFIG_CLASS_OPTIONS,
	CONFIG_CLASS_KEYS
};

struct config_class {
	char name[CONFIG_CLASS_MAX];
	struct port_range ports; /* external ports this class may get */
	struct port_range internal_ports;
	uint32_t protocols; /* enum config_protocol bits */
	uint32_t mappings;  /* a user's limit; a pair on one port counts once */
	uint32_t lifetime_min_s;
	uint32_t pcp_lifetime_min_s; /* 120 unless the file gives a minimum (RFC 6887 15) */
	uint32_t lifetime_default_s;
	uint32_t lifetime_max_s;
	uint32_t rate; /* requests a second per user; burst of twice that */
	enum config_port_choice port_choice;
	uint32_t quarantine_s;
	uint32_t options; /* enum pcp_feature bits */
	struct config_mark mark;
	struct config_mark key_mark[CONFIG_CLASS_KEYS];
};

/* A port that is a user's always. */
struct config_static {
	uint16_t port; /* external */
	uint16_t internal_port;
	uint32_t protocols; /* enum config_protocol bits */
	struct config_mark mark;
};

/* The public key of a WireGuard peer. */
struct config_wireguard_key {
	uint8_t octet[32];
};

struct config_user {
	char *name;     /* 1 to CONFIG_USER_MAX - 1 octets of printable text without spaces */
	uint32_t class; /* index into the configuration's classes */
	struct config_prefix *addresses;
	size_t addresses_len;
	struct config_wireguard_key *wireguard;
	size_t wireguard_len;
	struct config_static *statics;
	size_t statics_len;
	struct config_mark mark;
};

struct config {
	struct config_tunnel *tunnels;
	size_t tunnels_len;
	struct config_external *externals; /* never empty: the default is one with interface "" */
	size_t externals_len;

	struct port_range pool;
	enum config_masquerade masquerade;
	bool has_masquerade_ports; /* else: the longest run outside the pool without a listener */
	struct port_range masquerade_ports;
	bool hairpin;
	bool port_fail_guard;

	bool nat_pmp;
	bool pcp;
	bool anycast;
	enum config_zero_port zero_port;
	enum config_nonce nonce;
	struct config_prefix *third_party;
	size_t third_party_len;
	enum config_announce announce;

	enum log_level log_level;
	enum config_identity identity;

	enum config_ipv6 ipv6;

	char control_socket[CONFIG_SOCKET_MAX];
	char control_group[CONFIG_GROUP_MAX]; /* "": root only */
	bool metrics;                         /* also on a TCP port */
	struct addr metrics_addr;
	uint16_t metrics_port;

	struct config_class *classes; /* the first is "default", the others sorted by name */
	size_t classes_len;
	struct config_user *users; /* sorted by name */
	size_t users_len;
	bool unknown_refused;   /* an address that no user claims gets nothing */
	uint32_t unknown_class; /* else: its class */
	struct config_mark unknown_mark;

	char **files; /* names of the file and of those that it includes */
	size_t files_len;
};

/* One fault of a policy file; @message names the value and what would be right. */
struct config_fault {
	char *file;
	unsigned long line; /* from 1 */
	unsigned long column;
	char *message;
};

struct config_faults {
	struct config_fault *fault;
	size_t len;
};

/*
 * Read and check the policy file at @path.  Returns the configuration, to be freed with
 * config_free(), or NULL with the entries of @faults, sorted by file in the order of reading,
 * line and column: at most 100, and one that counts the others.  A file that cannot be read is a
 * fault of line 1, column 1. So is a lack of memory, unless that leaves not even room to say so:
 * then there is no entry.
 * @faults is initialised here and freed with config_faults_free() in either case; it is empty
 * on success.
 */
struct config *config_load(const char *path, struct config_faults *faults);

/*
 * As config_load(), from the @len octets at @text; @name stands for the file in faults, and
 * nothing is included but *.yaml and *.yml in its directory or below.
 */
struct config *config_parse(
	const char *name, const char *text, size_t len, struct config_faults *faults);

/* @config may be NULL. */
void config_free(struct config *config);

/* The user of that name, or NULL. */
const struct config_user *config_user(const struct config *config, const char *name);

void config_faults_free(struct config_faults *faults);

#endif
