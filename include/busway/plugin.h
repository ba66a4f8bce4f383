/* busway/plugin.h -- the binary interface between a host and its plugins.
 * Layer: plugin
 *
 * Model      A plugin is a shared library that exports one function, busway_plugin_entry. The host
 *            calls it with the range of ABI versions it speaks and gets a table of functions. With
 *            create() the plugin gets the host's table. A subscription is data (patterns, options,
 *            a tag): the host keeps no address of the plugin but that of its one table.
 * Threads    Each function says where it may be called:
 *              [plugin-worker]  on the one thread the host keeps for this plugin. The host makes
 *                               all its calls there, one after the other; a call nests in another
 *                               only where a callback publishes to a sync subscription of its own
 *                               plugin. A delivery that passes its deadline is left behind with its
 *                               thread, and another one is the worker from then on: until it has
 *                               returned it runs beside the worker, and may still call what is
 *                               marked [plugin-worker] for its own delivery. From then on
 *                               stop_requested() is 1 there, and what it returns is discarded.
 *              [any-thread]     on the worker, and on threads the plugin started itself. Such a
 *                               thread must have ended when stop() returns.
 *              [loader]         on the worker, before create(): the plugin has no host yet.
 * Ownership  A struct, and what its pointers and views point to, is borrowed for the call and
 *            copied by who wants to keep it. Nobody frees what the other side allocated. Only
 *            tables live longer: the plugin's until the library is closed, the host's until
 *            destroy() returns.
 * Errors     Functions return a busway_status. No exception and no longjmp crosses. The words for a
 *            status go through set_message() (plugin to host) and last_message() (host to plugin).
 * Cost       One indirect call each way; publish() and on_event() allocate nothing on the boundary.
 * Example    tests/plugin/plugins/plain_c.c
 *
 * How it grows: tables and structs begin with their size, as the side that filled them knew it, and
 * are only ever extended at the end. A member is there when BUSWAY_HAS says so. Unused members are
 * zero. BUSWAY_ABI changes only if that is not enough. Text is UTF-8 and not zero-terminated.
 */
#ifndef BUSWAY_PLUGIN_H
#define BUSWAY_PLUGIN_H

/* This is C, with C's headers and names. */
/* NOLINTBEGIN(modernize-deprecated-headers,readability-identifier-naming) */

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* The version of this interface. */
#define BUSWAY_ABI 1u

/* Whether the struct that p points to has the member, and it is not zero. */
#define BUSWAY_HAS(type, p, member) \
  ((p)->size >= offsetof(type, member) + sizeof((p)->member) && (p)->member != 0)

/* The one exported symbol; see the end of this file. */
#define BUSWAY_ENTRY_SYMBOL "busway_plugin_entry"

#if defined(__GNUC__)
#define BUSWAY_PLUGIN_EXPORT __attribute__((visibility("default")))
#else
#define BUSWAY_PLUGIN_EXPORT
#endif

/* ---- values ---------------------------------------------------------------------------------- */

/* Text or bytes; data may be null when size is 0. */
typedef struct busway_view {
  const char* data;
  size_t size;
} busway_view;

/* What a call came to. Both sides treat a number they do not know as BUSWAY_FAILED. */
typedef int32_t busway_status;
enum {
  BUSWAY_OK = 0,
  BUSWAY_FAILED = 1, /* for a reason that the message tells */
  BUSWAY_INVALID_ARGUMENT = 2,
  BUSWAY_INVALID_TOPIC = 3,
  BUSWAY_INVALID_PATTERN = 4,
  BUSWAY_INVALID_OPTION = 5,
  BUSWAY_INVALID_JSON = 6,
  BUSWAY_PAYLOAD_TYPE = 7, /* the payload is of another type than asked for */
  BUSWAY_PAYLOAD_TOO_LARGE = 8,
  BUSWAY_NOT_YET = 9, /* this host does not offer the option yet */
  BUSWAY_NOT_FOUND = 10,
  BUSWAY_DENIED = 11,       /* the plugin's manifest does not allow it */
  BUSWAY_WRONG_STATE = 12,  /* not at this moment of the lifecycle, or not on this thread */
  BUSWAY_STOPPED = 13,      /* the bus has stopped or is stopping */
  BUSWAY_DISABLED = 14,     /* the bus is disabled by its configuration */
  BUSWAY_FILTERED = 15,     /* a filter of the bus rejected the event */
  BUSWAY_HOP_LIMIT = 16,    /* the event was caused by too long a chain of events */
  BUSWAY_QUEUE_FULL = 17,   /* a mailbox refused the event */
  BUSWAY_NO_RESPONDER = 18, /* nobody listens to the request */
  BUSWAY_TIMED_OUT = 19,
  BUSWAY_WOULD_BLOCK = 20, /* waiting here could never end */
  BUSWAY_TOO_MANY = 21,    /* a limit on the number of things was reached */
  BUSWAY_OUT_OF_MEMORY = 22,
  BUSWAY_INTERNAL = 23, /* the host broke one of its own rules */

  /* Only as the answer of on_event(): */
  BUSWAY_RETRY = 100,      /* deliver it again, after the delay given to set_retry_delay() */
  BUSWAY_DEAD_LETTER = 101 /* give it up, with the message as the reason */
};

enum { BUSWAY_PRIORITY_LOW = 0, BUSWAY_PRIORITY_NORMAL = 1, BUSWAY_PRIORITY_HIGH = 2 };

enum {
  BUSWAY_ORIGIN_INTERNAL = 0,
  BUSWAY_ORIGIN_SYSTEM = 1,
  BUSWAY_ORIGIN_DATABASE = 2,
  BUSWAY_ORIGIN_WEBSOCKET = 3,
  BUSWAY_ORIGIN_FRONTEND = 4,
  BUSWAY_ORIGIN_PLUGIN = 5
};

enum { BUSWAY_LOG_DEBUG = 0, BUSWAY_LOG_INFO = 1, BUSWAY_LOG_WARNING = 2, BUSWAY_LOG_ERROR = 3 };

enum {
  BUSWAY_PAYLOAD_NONE = 0,
  BUSWAY_PAYLOAD_JSON = 1, /* one JSON text */
  BUSWAY_PAYLOAD_BYTES = 2 /* anything; content_type says what */
};

/* ---- events ---------------------------------------------------------------------------------- */

/* An event as a plugin sees it. Views of unset fields are empty. */
typedef struct busway_event {
  uint32_t size;
  uint8_t priority; /* BUSWAY_PRIORITY_ */
  uint8_t origin;   /* BUSWAY_ORIGIN_ */
  uint16_t schema_version;
  uint16_t hops;
  uint16_t reserved;        /* 0 */
  uint32_t payload_kind;    /* BUSWAY_PAYLOAD_; a typed payload arrives as JSON */
  uint8_t id[16];           /* a UUID in network byte order */
  uint8_t causation_id[16]; /* all zero: none */
  int64_t time_ns;          /* nanoseconds since 1970-01-01 UTC */
  busway_view topic;
  busway_view source;
  busway_view payload;
  busway_view content_type; /* of BYTES; "application/json" for JSON */
  busway_view metadata;     /* a JSON object, or empty */
  busway_view key;
  busway_view user_id;
  busway_view session_id;
  busway_view instance_id;
  busway_view schema;
  busway_view entity;
  busway_view operation;
  busway_view correlation_id;
  busway_view traceparent;
} busway_event;

/* The delivery that an on_event() call is. */
typedef struct busway_delivery {
  uint32_t size;
  uint32_t attempt;     /* 1 for the first */
  uint64_t id;          /* names the delivery in calls to the host until on_event() returns */
  int64_t time_left_ns; /* until this attempt is given up; negative: no limit */
  uint32_t flags;       /* BUSWAY_DELIVERY_ bits */
  uint32_t reserved;    /* 0 */
} busway_delivery;
enum { BUSWAY_DELIVERY_HISTORY_CUT = 1 }; /* a replay did not reach back as far as was asked */

/* An event to publish. The host sets id, time, source (the plugin's id), origin (plugin), hops and
 * causation_id. */
typedef struct busway_message {
  uint32_t size;
  uint32_t payload_kind;   /* BUSWAY_PAYLOAD_ */
  uint32_t priority;       /* BUSWAY_PRIORITY_; take care: 0 is low */
  uint32_t schema_version; /* 0: 1 */
  busway_view topic;
  busway_view payload;
  busway_view content_type; /* of BYTES; empty: application/octet-stream */
  busway_view metadata;     /* a JSON object, or empty */
  busway_view key;
  busway_view user_id;
  busway_view session_id;
  busway_view schema;
  busway_view entity;
  busway_view operation;
  busway_view correlation_id;
  busway_view traceparent;
} busway_message;

/* What became of a published event. The plugin sets size, the host the rest. */
typedef struct busway_publish_result {
  uint32_t size;
  busway_status worst; /* BUSWAY_OK, or why the first of the failed deliveries failed */
  uint8_t id[16];
  uint64_t matched;   /* subscriptions */
  uint64_t delivered; /* handled by sync ones */
  uint64_t queued;    /* for async ones */
  uint64_t failed;
} busway_publish_result;

/* ---- subscribing ----------------------------------------------------------------------------- */

/* DEFAULT is async: the event waits in the subscription's mailbox for the worker. With sync the
 * publisher waits for the worker, at most timeout_ns (0: 30 s). */
enum { BUSWAY_MODE_DEFAULT = 0, BUSWAY_MODE_SYNC = 1, BUSWAY_MODE_ASYNC = 2 };

enum {
  BUSWAY_OVERFLOW_DEFAULT = 0,
  BUSWAY_OVERFLOW_REJECT = 1,
  BUSWAY_OVERFLOW_BLOCK = 2,
  BUSWAY_OVERFLOW_DROP_OLDEST = 3,
  BUSWAY_OVERFLOW_DROP_NEWEST = 4
};

enum {
  BUSWAY_REPLAY_NONE = 0,
  BUSWAY_REPLAY_LAST = 1,     /* replay_count events */
  BUSWAY_REPLAY_SINCE = 2,    /* replay_time_ns */
  BUSWAY_REPLAY_SEQUENCE = 3, /* replay_position */
  BUSWAY_REPLAY_BEGINNING = 4
};

/* The options of a subscription. Zero means the host's default throughout. */
typedef struct busway_subscribe_options {
  uint32_t size;
  uint32_t mode;           /* BUSWAY_MODE_ */
  int32_t priority;        /* higher first */
  uint32_t overflow;       /* BUSWAY_OVERFLOW_ */
  uint64_t queue_capacity; /* events */
  int64_t block_timeout_ns;
  int64_t timeout_ns; /* of one attempt; of a sync one from the publish, its wait included */
  int64_t dedupe_ns;
  uint32_t once;   /* 1: exactly one event, then unsubscribed */
  uint32_t replay; /* BUSWAY_REPLAY_ */
  uint64_t replay_count;
  int64_t replay_time_ns;
  uint64_t replay_position;
  busway_view name;    /* for people */
  busway_view durable; /* a durable name of its own; empty: as the host's rule says */
  uint32_t retry_set;  /* 1: the retry_ members count */
  uint32_t retry_max;  /* attempts after the first */
  int64_t retry_initial_delay_ns;
  int64_t retry_max_delay_ns;
  double retry_backoff_factor;
  int64_t retry_total_ns; /* of all attempts with their waits */
} busway_subscribe_options;

/* ---- health and sources ---------------------------------------------------------------------- */

enum { BUSWAY_HEALTH_OK = 0, BUSWAY_HEALTH_DEGRADED = 1, BUSWAY_HEALTH_FAILING = 2 };

/* A source is a plugin that brings events in from outside: a reader of a file, a socket, a
 * terminal. It says ACTIVE before start() returns and ENDED when nothing more will come, so that a
 * host may end when all sources have. A plugin that says nothing is none. Between the two it
 * publishes by itself, but not before begin_sources(): plugins that start later than it would miss
 * what it says. */
enum { BUSWAY_SOURCE_NONE = 0, BUSWAY_SOURCE_ACTIVE = 1, BUSWAY_SOURCE_ENDED = 2 };

/* ---- what the host offers -------------------------------------------------------------------- */

typedef struct busway_host busway_host; /* the host's own, one for each plugin */

/* Called with the event that answered a request, before request() returns, on the same thread. */
typedef void (*busway_on_reply)(void* user, const busway_event* reply);

typedef struct busway_host_api {
  uint32_t size;
  uint32_t abi;

  /* The id under which the host runs this plugin. Good until destroy(). [any-thread] */
  busway_view (*plugin_id)(busway_host* host);

  /* Why the last call into the host made by this thread failed; good until its next one.
   * [any-thread] */
  busway_view (*last_message)(busway_host* host);

  /* The words for what the current callback is about to return. [plugin-worker] */
  void (*set_message)(busway_host* host, busway_view message);

  /* Listens to all patterns as one subscription; on_event() gets the tag. Options may be null.
   * [any-thread] */
  busway_status (*subscribe)(busway_host* host, const busway_view* patterns, size_t pattern_count,
                             const busway_subscribe_options* options, uint64_t tag,
                             uint64_t* out_id);

  /* From now on no on_event() of the subscription begins; on another thread than the worker, waits
   * for the running one. All subscriptions end by themselves after stop(). [any-thread] */
  busway_status (*unsubscribe)(busway_host* host, uint64_t id);

  /* The status is about the publishing; how deliveries went is in the result, which may be null.
   * [any-thread] */
  busway_status (*publish)(busway_host* host, const busway_message* message,
                           busway_publish_result* result);

  /* Publishes and waits for the first reply. timeout_ns 0: 30 s. On threads of the plugin's own it
   * ends with BUSWAY_STOPPED when the plugin is stopped, at the latest when stop() is called.
   * [any-thread] */
  busway_status (*request)(busway_host* host, const busway_message* message, int64_t timeout_ns,
                           busway_on_reply on_reply, void* user);

  /* Answers the request that the delivery is. BUSWAY_NOT_FOUND when nobody waits (any more).
   * [plugin-worker] */
  busway_status (*reply)(busway_host* host, uint64_t delivery_id, uint32_t payload_kind,
                         busway_view payload, busway_view content_type);

  /* When to come back after BUSWAY_RETRY. [plugin-worker] */
  busway_status (*set_retry_delay)(busway_host* host, uint64_t delivery_id, int64_t delay_ns);

  /* 1 when the result of the delivery is no longer wanted: given up, or the bus stops.
   * [plugin-worker] */
  uint32_t (*stop_requested)(busway_host* host, uint64_t delivery_id);

  /* on_timer() will be called with the tag after the delay, once. Timers end with stop().
   * [any-thread] */
  busway_status (*schedule)(busway_host* host, int64_t delay_ns, uint64_t tag, uint64_t* out_id);

  /* BUSWAY_NOT_FOUND when the timer has run. [any-thread] */
  busway_status (*cancel_timer)(busway_host* host, uint64_t id);

  /* [any-thread] */
  void (*log)(busway_host* host, uint32_t level, busway_view message);

  /* Makes something that went wrong outside any callback known, as event plugin.error.
   * [any-thread] */
  void (*report_error)(busway_host* host, busway_view message);

  /* BUSWAY_SOURCE_. [any-thread] */
  busway_status (*set_source_state)(busway_host* host, uint32_t state);

  /* Appends to the state being saved. [plugin-worker], within save_state() */
  busway_status (*write_state)(busway_host* host, busway_view bytes);
} busway_host_api;

/* ---- what a plugin offers -------------------------------------------------------------------- */

typedef struct busway_plugin busway_plugin; /* the plugin's own: one instance */

/* Members up to on_event must be there; of the functions after it any may be null. */
typedef struct busway_plugin_api {
  uint32_t size;
  uint32_t abi;

  /* Letters, digits, '_', '-' and '.', at most 64; unique within a host. */
  busway_view id;
  /* For people, for example "1.4.2". */
  busway_view version;
  /* One sentence, or empty. */
  busway_view description;
  /* The ids of plugins that must have started before this one. */
  const busway_view* requires_ids;
  size_t requires_count;

  /* Makes an instance. [plugin-worker] */
  busway_status (*create)(const busway_host_api* api, busway_host* host, busway_plugin** out);
  /* Frees it; no call follows. [plugin-worker] */
  void (*destroy)(busway_plugin* plugin);
  /* An event for the subscription with this tag. [plugin-worker] */
  busway_status (*on_event)(busway_plugin* plugin, uint64_t tag, const busway_event* event,
                            const busway_delivery* delivery);

  /* Reads its configuration, a JSON object. Called once, first. [plugin-worker] */
  busway_status (*setup)(busway_plugin* plugin, busway_view config);
  /* Subscribes, and says ACTIVE if it is a source. After it events flow. [plugin-worker] */
  busway_status (*start)(busway_plugin* plugin);
  /* Ends its threads. Its sources have ended (see end_sources), events that were queued have been
   * handled, or go to the instance that replaces this one; publishing still works.
   * [plugin-worker] */
  busway_status (*stop)(busway_plugin* plugin);
  /* Frees what setup() took. [plugin-worker] */
  busway_status (*teardown)(busway_plugin* plugin);
  /* Writes a BUSWAY_HEALTH_; words by set_message(). [plugin-worker] */
  busway_status (*health)(busway_plugin* plugin, uint32_t* out_health);
  /* [plugin-worker] */
  busway_status (*on_timer)(busway_plugin* plugin, uint64_t tag);

  /* Hands what is worth keeping to write_state(), with the version of its form, for the instance
   * that replaces this one. Nothing of this one runs and its sources have ended; stop() comes
   * later, or has come before where the two may not be there at once. If the replacement fails
   * this one goes on: it changes nothing. [plugin-worker] */
  busway_status (*save_state)(busway_plugin* plugin, uint32_t* out_version);
  /* Takes what save_state() of an earlier instance, perhaps of another version, gave. Called
   * between setup() and start(). [plugin-worker] */
  busway_status (*restore_state)(busway_plugin* plugin, uint32_t version, busway_view state);

  /* Lets its sources begin. Called once after each start(), when all plugins that start together
   * have started, and again when they have been asked to end for a replacement that then failed;
   * returns soon. [plugin-worker] */
  busway_status (*begin_sources)(busway_plugin* plugin);
  /* Asks its sources to end and returns without waiting for them. BUSWAY_OK: they will say ENDED;
   * the host goes on delivering until then and only then calls stop(). BUSWAY_NOT_FOUND: there is
   * none that can be ended this way; stop() will. [plugin-worker] */
  busway_status (*end_sources)(busway_plugin* plugin);
} busway_plugin_api;

/* Exported by the library. Returns a table of a version within the range, or null when it speaks
 * none of them. [loader] */
typedef const busway_plugin_api* (*busway_plugin_entry_fn)(uint32_t min_abi, uint32_t max_abi);
#if !defined(BUSWAY_STATIC_PLUGIN)
BUSWAY_PLUGIN_EXPORT const busway_plugin_api* busway_plugin_entry(uint32_t min_abi,
                                                                  uint32_t max_abi);
#endif

#ifdef __cplusplus
} /* extern "C" */
#endif

/* NOLINTEND(modernize-deprecated-headers,readability-identifier-naming) */

#endif /* BUSWAY_PLUGIN_H */
