// SPDX-License-Identifier: Apache-2.0
// Glue: the five objects of bpf/, their maps, the duty cycle and the time each source was on.
#include "agent/probe/probe.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "agent/probe/duty.h"
#include "agent/probe/object.h"
#include "agent/probe/slots.h"
#include "agent/probe/tally.h"
#include "bpf/records.h"
#include "proto/base/clock.h"
#include "proto/base/text.h"

#include "block.skel.h"
#include "cgroup.skel.h"
#include "mem.skel.h"
#include "sched.skel.h"
#include "tcp.skel.h"

#define NS_PER_MS  1000000ull
#define NS_PER_S   1000000000ull
#define KERNEL_BTF "/sys/kernel/btf/vmlinux"

// The first four are in the order of enum probe_source.
enum { SCHED, BLOCK, TCP, MEM, CGROUP, OBJECTS };
enum { DUTY_CYCLED = 2 }; // SCHED and BLOCK
_Static_assert((int)SCHED == (int)PROBE_SCHED && (int)MEM == (int)PROBE_MEM, "same order");

static const char *const names[OBJECTS] = {"sched", "block", "tcp", "mem", "cgroup"};

struct on_time {
	bool on;
	uint64_t since_ns, before_ns; // before: of the finished periods
};

struct probe {
	struct probe_options options;
	struct object objects[OBJECTS];
	struct on_time on[PROBE_SOURCES];
	struct slots slots[DUTY_CYCLED];
	struct tally tallies[PROBE_SOURCES]; // of TCP and MEM
	struct duty duty;
	struct hook_status btf;
	struct ring_buffer *ring;
	void (*on_event)(void *arg, const struct probe_event *e); // during probe_events()
	void *on_event_arg;
};

static const struct probe_columns columns[PROBE_SOURCES] = {
	[PROBE_SCHED] = {"sched", "cpu", 4, 2,
		{METRIC_RUNQ_WAIT, METRIC_ONCPU, METRIC_INVOLUNTARY_SWITCHES,
			METRIC_FOREIGN_PREEMPTIONS},
		{HIST_RUNQ_LATENCY, HIST_ONCPU_BURST}},
	[PROBE_BLOCK] = {"block", "blkio", 3, 2,
		{METRIC_DISK_READ, METRIC_DISK_WRITE, METRIC_DISK_IOS},
		{HIST_BLOCK_LATENCY, HIST_BLOCK_DEVICE}},
	[PROBE_TCP] = {"tcp", "", 4, 1,
		{METRIC_TCP_RETRANSMITS, METRIC_TCP_RESETS, METRIC_TCP_CONNECTIONS,
			METRIC_TCP_BYTES},
		{HIST_TCP_SRTT}},
	[PROBE_MEM] = {"mem", "memory", 1, 1, {METRIC_RECLAIM_STALL}, {HIST_RECLAIM}},
};

const struct probe_columns *probe_columns(enum probe_source source)
{
	return &columns[source];
}

void probe_options_init(struct probe_options *o)
{
	*o = (struct probe_options){
		.duty = DUTY_CYCLE,
		.cycle_on_ms = 1000,
		.cycle_ms = 10000,
		.armed_ms = 30000,
		.mono_ns = clock_mono_ns,
	};
}

// --- loading ----------------------------------------------------------------------------------

static int configure_slots(struct bpf_object *bpf, const void *arg)
{
	const struct slot_params *params = arg;
	struct bpf_map *slots = bpf_object__find_map_by_name(bpf, "slots");
	struct bpf_map *rodata = bpf_object__find_map_by_name(bpf, ".rodata");
	if (!slots || !rodata)
		return -ENOENT;
	int r = bpf_map__set_max_entries(slots, params->nslots * params->ncpus);
	return r < 0 ? r : bpf_map__set_initial_value(rodata, params, sizeof(*params));
}

static uint32_t slots_for(const struct probe_options *o, uint32_t n_cpus)
{
	uint32_t want = o->max_cgroups ? o->max_cgroups : n_cpus > 32 ? 510 : 1022;
	uint32_t n = 4;
	while (n < want + 2) // id 0 and the overflow slot
		n *= 2;
	return n;
}

static void load_objects(struct probe *p, const struct slot_params *params)
{
	static const void *(*const elf[OBJECTS])(size_t * bytes) = {sched_bpf__elf_bytes,
		block_bpf__elf_bytes, tcp_bpf__elf_bytes, mem_bpf__elf_bytes,
		cgroup_bpf__elf_bytes};
	for (int i = 0; i < OBJECTS; i++) {
		struct object_source s = {
			.name = names[i],
			.btf_path = p->options.btf_path,
			.refused = p->options.refused,
			.configure = i < DUTY_CYCLED ? configure_slots : NULL,
			.configure_arg = params,
		};
		s.elf = elf[i](&s.elf_bytes);
		object_load(&p->objects[i], &s);
	}
}

// A group that cannot be used although it was loaded.
static void give_up(struct object *o, int error)
{
	object_done(o);
	o->error = error;
}

static void map_slots(struct probe *p, int i, const struct slot_params *params)
{
	struct slots *s = &p->slots[i];
	int fd = object_map(&p->objects[i], "slots");
	*s = (struct slots){.n_cpus = params->ncpus, .n_slots = params->nslots, .source = i};
	if (fd < 0)
		return;
	s->serials = calloc(s->n_slots, sizeof(*s->serials));
	if (!s->serials) {
		give_up(&p->objects[i], -ENOMEM);
		return;
	}
	void *memory = mmap(NULL, slots_bytes(s->n_cpus, s->n_slots), PROT_READ, MAP_SHARED, fd, 0);
	if (memory == MAP_FAILED)
		give_up(&p->objects[i], -errno);
	else
		s->memory = memory;
}

static int on_kernel_event(void *arg, void *data, size_t size)
{
	struct probe *p = arg;
	const struct kernel_event *k = data;
	char text[EVENT_PATH_BYTES];
	if (size < sizeof(*k) || k->kind > EVENT_OOM)
		return 0;
	size_t len = k->path_len < sizeof(text) ? k->path_len : sizeof(text);
	memcpy(text, k->path, len);
	text[len ? len - 1 : 0] = '\0';
	struct probe_event e = {
		.kind = (enum probe_event_kind)k->kind,
		.hierarchy = k->hierarchy,
		.controllers = k->controllers,
		.level = k->level,
		.inode = k->inode,
		.pid = k->pid,
		.text = text,
	};
	if (e.kind == PROBE_RMDIR && e.hierarchy == 0)
		tally_forget(&p->tallies[TCP], e.inode);
	if (e.kind == PROBE_RMDIR && (e.controllers & PROBE_CONTROLLER_MEMORY))
		tally_forget(&p->tallies[MEM], e.inode);
	if (p->on_event)
		p->on_event(p->on_event_arg, &e);
	return 0;
}

static void open_rings(struct probe *p)
{
	static const int with_ring[] = {CGROUP, MEM};
	for (size_t i = 0; i < 2; i++) {
		struct object *o = &p->objects[with_ring[i]];
		int fd = object_map(o, "events"), r = 0;
		if (fd < 0)
			continue;
		if (p->ring)
			r = ring_buffer__add(p->ring, fd, on_kernel_event, p);
		else if (!(p->ring = ring_buffer__new(fd, on_kernel_event, p, NULL)))
			r = -errno;
		if (r < 0)
			give_up(o, r);
	}
}

static void open_tallies(struct probe *p)
{
	for (int i = TCP; i <= MEM; i++) {
		int fd = object_map(&p->objects[i], "tallies");
		int r = fd < 0 ? 0 : tally_init(&p->tallies[i], fd, (enum probe_source)i);
		if (r < 0)
			give_up(&p->objects[i], r);
	}
}

// --- on and off -------------------------------------------------------------------------------

static void switch_source(struct probe *p, int i, bool on)
{
	struct on_time *t = &p->on[i];
	if (t->on == on)
		return;
	if (on) { // on-time begins when attaching is done and ends before detaching begins
		t->on = object_attach(&p->objects[i]) > 0;
		t->since_ns = p->options.mono_ns();
	} else {
		t->before_ns += p->options.mono_ns() - t->since_ns;
		t->on = false;
		object_detach(&p->objects[i]);
	}
}

static uint64_t on_ns(const struct on_time *t, uint64_t now_ns)
{
	return t->before_ns + (t->on && now_ns > t->since_ns ? now_ns - t->since_ns : 0);
}

uint64_t probe_tick(struct probe *p, uint64_t now_ns)
{
	bool on = duty_is_on(&p->duty, now_ns);
	for (int i = 0; i < DUTY_CYCLED; i++)
		switch_source(p, i, on);
	return duty_next(&p->duty, now_ns, NS_PER_S);
}

void probe_arm(struct probe *p, uint64_t now_ns)
{
	duty_arm(&p->duty, now_ns);
	probe_tick(p, now_ns);
}

void probe_set_duty(struct probe *p, enum duty_mode mode, uint64_t now_ns)
{
	p->duty.mode = mode == DUTY_ARMED ? DUTY_CYCLE : mode;
	p->duty.armed_until_ns = 0;
	probe_tick(p, now_ns);
}

enum duty_mode probe_duty(const struct probe *p, uint64_t now_ns)
{
	return duty_state(&p->duty, now_ns);
}

// --- birth and death --------------------------------------------------------------------------

static int check_options(const struct probe_options *o, struct why *why)
{
	bool bad = o->cycle_on_ms == 0 || o->cycle_on_ms > o->cycle_ms || o->cycle_ms > 3600000 ||
		   o->armed_ms > 3600000 || o->max_cgroups > 65534 || o->n_cpus > 8192;
	if (bad)
		return why_set(why, -EINVAL, WHY_BUG, "probe: option out of range");
	return 0;
}

// Without BTF libbpf would only say ENOENT five times: say it once in words.
static bool has_btf(struct probe *p)
{
	const char *path = p->options.btf_path ? p->options.btf_path : KERNEL_BTF;
	p->btf = (struct hook_status){.name = "btf", .state = HOOK_ATTACHED};
	if (access(path, R_OK) == 0)
		return true;
	p->btf.state = HOOK_REFUSED;
	p->btf.error = -errno;
	snprintf(p->btf.detail, sizeof(p->btf.detail), "%.60s: no eBPF, only files", path);
	return false;
}

static void start_all(struct probe *p, const struct slot_params *params)
{
	load_objects(p, params);
	for (int i = 0; i < DUTY_CYCLED; i++)
		map_slots(p, i, params);
	open_tallies(p);
	open_rings(p);
	for (int i = TCP; i <= MEM; i++)
		switch_source(p, i, true);
	object_attach(&p->objects[CGROUP]);
}

int probe_new(struct probe **ret, const struct probe_options *o, struct why *why)
{
	int r = check_options(o, why);
	if (r < 0)
		return r;
	int n_cpus = o->n_cpus ? (int)o->n_cpus : libbpf_num_possible_cpus();
	if (n_cpus <= 0)
		return why_set(why, n_cpus < 0 ? n_cpus : -EIO, WHY_BUG,
			"probe: cannot tell the number of CPUs");
	struct probe *p = calloc(1, sizeof(*p));
	if (!p)
		return why_set(why, -ENOMEM, WHY_RETRY, "probe: no memory");
	p->options = *o;
	if (!p->options.mono_ns)
		p->options.mono_ns = clock_mono_ns;
	p->duty = (struct duty){.mode = o->duty == DUTY_ARMED ? DUTY_CYCLE : o->duty,
		.on_ns = o->cycle_on_ms * NS_PER_MS,
		.cycle_ns = o->cycle_ms * NS_PER_MS,
		.arm_ns = o->armed_ms * NS_PER_MS};
	struct slot_params params = {
		.nslots = slots_for(o, (uint32_t)n_cpus), .ncpus = (uint32_t)n_cpus};
	for (int i = 0; i < OBJECTS; i++)
		p->objects[i] = (struct object){.name = names[i], .error = -ENOENT};
	if (has_btf(p))
		start_all(p, &params);
	p->duty.start_ns = p->options.mono_ns(); // loading takes longer than some cycles
	*ret = p;
	return 0;
}

void probe_free(struct probe *p)
{
	if (!p)
		return;
	ring_buffer__free(p->ring);
	for (int i = 0; i < DUTY_CYCLED; i++) {
		struct slots *s = &p->slots[i];
		if (s->memory)
			munmap((void *)s->memory, slots_bytes(s->n_cpus, s->n_slots));
		free(s->serials);
	}
	for (int i = TCP; i <= MEM; i++)
		tally_done(&p->tallies[i]);
	for (int i = 0; i < OBJECTS; i++)
		object_done(&p->objects[i]);
	free(p);
}

// --- reading ----------------------------------------------------------------------------------

static bool is_loaded(const struct object *o)
{
	for (size_t i = 0; i < o->n_programs; i++) {
		if (o->programs[i].fd >= 0)
			return true;
	}
	return false;
}

uint64_t probe_on_ns(const struct probe *p, enum probe_source source, uint64_t now_ns)
{
	return on_ns(&p->on[source], now_ns);
}

int probe_read(struct probe *p, enum probe_source source, uint64_t now_ns, struct probe_reading *r)
{
	r->n_rows = 0;
	r->left_out = 0;
	r->on_ns = on_ns(&p->on[source], now_ns);
	if (!is_loaded(&p->objects[source]))
		return -ENODATA;
	if (source == PROBE_TCP || source == PROBE_MEM)
		return tally_read(&p->tallies[source], now_ns, r);
	slots_read(&p->slots[source], r);
	return 0;
}

int probe_events(
	struct probe *p, void (*on_event)(void *arg, const struct probe_event *e), void *arg)
{
	if (!p->ring)
		return 0;
	p->on_event = on_event;
	p->on_event_arg = arg;
	int n = ring_buffer__consume(p->ring);
	p->on_event = NULL;
	return n;
}

int probe_events_fd(const struct probe *p)
{
	return p->ring ? ring_buffer__epoll_fd(p->ring) : -ENODATA;
}

size_t probe_hooks(const struct probe *p, struct hook_status *ret, size_t max)
{
	size_t n = 0;
	if (n < max)
		ret[n++] = p->btf;
	for (int i = 0; i < OBJECTS && n < max; i++) {
		struct hook_status *h = &ret[n++];
		object_status(&p->objects[i], h);
		if (i >= DUTY_CYCLED || h->state != HOOK_ATTACHED)
			continue;
		if (p->duty.mode == DUTY_OFF) {
			h->state = HOOK_OFF;
			text_copy(h->detail, sizeof(h->detail), "switched off");
		} else if (p->duty.mode == DUTY_CYCLE) {
			snprintf(h->detail, sizeof(h->detail),
				"%u ms on in %u, all the time under pressure",
				p->options.cycle_on_ms, p->options.cycle_ms);
		}
	}
	return n;
}

// --- about itself -----------------------------------------------------------------------------

struct run_info {
	uint64_t ns, runs, missed;
};

static void add_runs(const struct object *o, struct run_info *sum)
{
	for (size_t i = 0; i < o->n_programs; i++) {
		struct bpf_prog_info info = {0};
		uint32_t size = sizeof(info);
		if (o->programs[i].fd < 0 ||
			bpf_obj_get_info_by_fd(o->programs[i].fd, &info, &size) < 0)
			continue;
		sum->ns += info.run_time_ns;
		sum->runs += info.run_cnt;
		sum->missed += info.recursion_misses;
	}
}

void probe_losses(const struct probe *p, struct probe_losses *ret)
{
	struct run_info runs = {0};
	*ret = (struct probe_losses){0};
	for (int i = 0; i < OBJECTS; i++) {
		struct losses l = {0};
		uint32_t zero = 0;
		int fd = object_map(&p->objects[i], "losses");
		if (fd >= 0 && bpf_map_lookup_elem(fd, &zero, &l) == 0) {
			ret->events += l.events;
			ret->overflow += l.full;
			ret->missed += l.starts;
		}
		add_runs(&p->objects[i], &runs);
	}
	for (int i = 0; i < DUTY_CYCLED; i++) {
		ret->overflow += p->slots[i].overflow;
		ret->reused += p->slots[i].reused;
	}
	ret->missed += runs.missed;
}

int probe_cost(const struct probe *p, uint64_t *ret_ns, uint64_t *ret_runs)
{
	struct run_info runs = {0};
	for (int i = 0; i < OBJECTS; i++)
		add_runs(&p->objects[i], &runs);
	if (runs.runs == 0)
		return -ENODATA;
	*ret_ns = runs.ns;
	*ret_runs = runs.runs;
	return 0;
}
