// SPDX-License-Identifier: Apache-2.0
#include "agent/probe/object.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "proto/base/text.h"

static int quiet(enum libbpf_print_level level, const char *format, va_list args)
{
	return 0; // what matters comes back as an errno and goes into the capability report
}

static bool is_refused(const struct object_source *s, const char *name)
{
	for (size_t i = 0; s->refused && s->refused[i]; i++) {
		if (strcmp(s->refused[i], name) == 0)
			return true;
	}
	return false;
}

static struct object_program *program_of(struct object *o, const char *name)
{
	for (size_t i = 0; i < o->n_programs; i++) {
		if (strcmp(o->programs[i].name, name) == 0)
			return &o->programs[i];
	}
	return NULL;
}

static int open_object(const struct object_source *s, struct bpf_object **ret)
{
	LIBBPF_OPTS(
		bpf_object_open_opts, opts, .object_name = s->name, .btf_custom_path = s->btf_path);
	struct bpf_object *bpf = bpf_object__open_mem(s->elf, s->elf_bytes, &opts);
	if (!bpf)
		return -errno;
	int r = s->configure ? s->configure(bpf, s->configure_arg) : 0;
	if (r < 0) {
		bpf_object__close(bpf);
		return r;
	}
	*ret = bpf;
	return 0;
}

// Reads the names of the programs, marks those refused by the caller.
static int list_programs(struct object *o, const struct object_source *s)
{
	struct bpf_object *bpf;
	struct bpf_program *p;
	int r = open_object(s, &bpf);
	if (r < 0)
		return r;
	bpf_object__for_each_program(p, bpf)
	{
		if (o->n_programs == OBJECT_PROGRAMS)
			break;
		struct object_program *mine = &o->programs[o->n_programs++];
		text_copy(mine->name, sizeof(mine->name), bpf_program__name(p));
		mine->fd = mine->link = -1;
		mine->error = is_refused(s, mine->name) ? -EPERM : 0;
	}
	bpf_object__close(bpf);
	return 0;
}

// Loads those without an error, or only `alone`. The caller closes *ret.
static int load_some(struct object *o, const struct object_source *s,
	const struct object_program *alone, struct bpf_object **ret)
{
	struct bpf_object *bpf;
	struct bpf_program *p;
	int r = open_object(s, &bpf);
	if (r < 0)
		return r;
	bpf_object__for_each_program(p, bpf)
	{
		const struct object_program *mine = program_of(o, bpf_program__name(p));
		bool wanted = mine && (alone ? mine == alone : mine->error == 0);
		bpf_program__set_autoload(p, wanted);
	}
	r = bpf_object__load(bpf);
	if (r < 0) {
		bpf_object__close(bpf);
		return r;
	}
	*ret = bpf;
	return 0;
}

// Descriptors of their own outlive libbpf's object.
static int keep_descriptors(struct object *o, struct bpf_object *bpf)
{
	struct bpf_program *p;
	struct bpf_map *m;
	bpf_object__for_each_program(p, bpf)
	{
		struct object_program *mine = program_of(o, bpf_program__name(p));
		if (!mine || mine->error || bpf_program__fd(p) < 0)
			continue;
		mine->fd = fcntl(bpf_program__fd(p), F_DUPFD_CLOEXEC, 3);
		if (mine->fd < 0)
			return -errno;
	}
	bpf_object__for_each_map(m, bpf)
	{
		if (bpf_map__is_internal(m) || o->n_maps == OBJECT_MAPS)
			continue;
		struct object_map *mine = &o->maps[o->n_maps];
		text_copy(mine->name, sizeof(mine->name), bpf_map__name(m));
		mine->fd = fcntl(bpf_map__fd(m), F_DUPFD_CLOEXEC, 3);
		if (mine->fd < 0)
			return -errno;
		o->n_maps++;
	}
	return 0;
}

static int count_loadable(const struct object *o)
{
	int n = 0;
	for (size_t i = 0; i < o->n_programs; i++)
		n += o->programs[i].error == 0;
	return n;
}

static void try_each(struct object *o, const struct object_source *s)
{
	for (size_t i = 0; i < o->n_programs; i++) {
		struct object_program *p = &o->programs[i];
		struct bpf_object *bpf;
		if (p->error)
			continue;
		p->error = load_some(o, s, p, &bpf);
		if (p->error == 0)
			bpf_object__close(bpf);
	}
}

int object_load(struct object *o, const struct object_source *s)
{
	struct bpf_object *bpf = NULL;
	*o = (struct object){.name = s->name};
	libbpf_set_print(quiet);
	int r = list_programs(o, s);
	if (r == 0 && count_loadable(o) > 0) {
		r = load_some(o, s, NULL, &bpf);
		if (r < 0) {
			try_each(o, s);
			if (count_loadable(o) > 0)
				r = load_some(o, s, NULL, &bpf);
		}
	}
	if (bpf) {
		r = keep_descriptors(o, bpf);
		bpf_object__close(bpf);
	}
	if (r < 0) {
		object_done(o);
		o->error = r;
	}
	return r < 0 ? 0 : count_loadable(o);
}

void object_done(struct object *o)
{
	object_detach(o);
	for (size_t i = 0; i < o->n_programs; i++) {
		if (o->programs[i].fd >= 0)
			close(o->programs[i].fd);
		o->programs[i].fd = -1;
	}
	for (size_t i = 0; i < o->n_maps; i++)
		close(o->maps[i].fd);
	o->n_maps = 0;
}

int object_attach(struct object *o)
{
	int n = 0;
	for (size_t i = 0; i < o->n_programs; i++) {
		struct object_program *p = &o->programs[i];
		if (p->fd < 0)
			continue;
		if (p->link < 0) {
			p->link = bpf_raw_tracepoint_open(NULL, p->fd);
			p->error = p->link < 0 ? p->link : 0;
		}
		n += p->link >= 0;
	}
	return n;
}

void object_detach(struct object *o)
{
	for (size_t i = 0; i < o->n_programs; i++) {
		if (o->programs[i].link >= 0)
			close(o->programs[i].link);
		o->programs[i].link = -1;
	}
}

int object_map(const struct object *o, const char *name)
{
	for (size_t i = 0; i < o->n_maps; i++) {
		if (strcmp(o->maps[i].name, name) == 0)
			return o->maps[i].fd;
	}
	return -ENOENT;
}

static const char *words_for(int error)
{
	switch (-error) {
	case EPERM: return "not allowed: needs CAP_BPF and CAP_PERFMON";
	case ENOENT:
	case ESRCH: return "this kernel has no such tracepoint or no BTF";
	case EACCES:
	case EINVAL: return "the kernel's verifier did not accept it";
	case ENOMEM:
	case E2BIG: return "no memory for its maps";
	default: return "could not be loaded";
	}
}

void object_status(const struct object *o, struct hook_status *ret)
{
	size_t good = 0;
	const struct object_program *bad = NULL;
	for (size_t i = 0; i < o->n_programs; i++) {
		const struct object_program *p = &o->programs[i];
		if (p->fd >= 0 && p->error == 0)
			good++;
		else if (!bad)
			bad = p;
	}
	*ret = (struct hook_status){.state = HOOK_REFUSED, .error = o->error};
	text_copy(ret->name, sizeof(ret->name), o->name);
	if (good == 0) {
		if (!ret->error && bad)
			ret->error = bad->error;
		text_copy(ret->detail, sizeof(ret->detail), words_for(ret->error));
	} else if (bad) {
		ret->state = HOOK_FALLBACK;
		ret->error = bad->error;
		snprintf(ret->detail, sizeof(ret->detail), "%zu of %zu programs; %s: %s", good,
			o->n_programs, bad->name, words_for(bad->error));
	} else {
		ret->state = HOOK_ATTACHED;
	}
}
