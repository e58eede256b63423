// SPDX-License-Identifier: Apache-2.0
#include "agent/proc/tree.h"

#include "agent/proc/attribution.h"
#include "proto/base/text.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <uthash.h>

enum { NO_SLOT = -1, LEFT_OUT = -2 }; // LEFT_OUT: an owner for which there was no slot

struct dir {
	UT_hash_handle hh;
	uint64_t inodes[HIERARCHY_COUNT]; // 0: not in this hierarchy
	uint8_t seen;                     // by the walk under way, a bit per hierarchy
	bool is_owner;                    // slot is its own, not that of a directory above
	int slot;
	char path[];
};

struct inode_key {
	uint64_t inode;
	uint32_t hierarchy;
	int32_t slot;
};

struct tree {
	const struct layout *layout;
	struct dir *dirs; // by path
	size_t n_dirs, max_dirs;
	struct tree_slot *slots;
	size_t max_slots, used, high; // high: one past the highest in use
	size_t left_out;
	uint64_t next_id;
	struct inode_key *keys; // sorted, rebuilt when something changed
	size_t n_keys, max_keys;
	bool stale;
};

int tree_new(struct tree **ret, const struct layout *layout, size_t max_slots)
{
	if (max_slots == 0 || max_slots > 65536)
		return -EINVAL;
	struct tree *t = calloc(1, sizeof(*t));
	if (!t)
		return -ENOMEM;
	t->layout = layout;
	t->max_slots = max_slots;
	t->max_dirs = max_slots * TREE_DIRS_PER_SLOT;
	t->slots = calloc(max_slots, sizeof(*t->slots)); // touched only as far as used
	t->max_keys = t->max_dirs * HIERARCHY_COUNT;
	t->keys = calloc(t->max_keys, sizeof(*t->keys));
	if (!t->slots || !t->keys) {
		tree_free(t);
		return -ENOMEM;
	}
	*ret = t;
	return 0;
}

void tree_free(struct tree *t)
{
	if (!t)
		return;
	struct dir *d, *next;
	HASH_ITER (hh, t->dirs, d, next) {
		HASH_DEL(t->dirs, d);
		free(d);
	}
	free(t->slots);
	free(t->keys);
	free(t);
}

static struct dir *find(const struct tree *t, const char *path, size_t len)
{
	struct dir *d;
	HASH_FIND(hh, t->dirs, path, len, d);
	return d;
}

// Slot of the directory path[0..len), NO_SLOT if it is not known.
static int slot_of(const struct tree *t, const char *path, size_t len)
{
	const struct dir *d = len ? find(t, path, len) : NULL;
	return d ? d->slot : NO_SLOT;
}

static int take_slot(struct tree *t, const struct dir *d, const struct attribution *a)
{
	size_t i = 0;
	while (i < t->max_slots && t->slots[i].id)
		i++;
	if (i == t->max_slots) {
		t->left_out++;
		return LEFT_OUT;
	}
	struct tree_slot *s = &t->slots[i];
	*s = (struct tree_slot){.id = ++t->next_id, .kind = a->kind, .path = d->path};
	memcpy(s->name, a->name, sizeof(s->name));
	memcpy(s->pod_uid, a->pod_uid, sizeof(s->pod_uid));
	memcpy(s->container_id, a->container_id, sizeof(s->container_id));
	int pod = slot_of(t, d->path, a->pod_len);
	s->pod = pod < 0 ? -1 : pod;
	t->used++;
	if (i >= t->high)
		t->high = i + 1;
	return (int)i;
}

static void free_slot(struct tree *t, int slot)
{
	if (slot == LEFT_OUT)
		t->left_out--;
	if (slot < 0)
		return;
	t->slots[slot] = (struct tree_slot){0};
	t->used--;
	while (t->high > 0 && !t->slots[t->high - 1].id)
		t->high--;
	for (size_t i = 0; i < t->high; i++)
		if (t->slots[i].pod == slot)
			t->slots[i].pod = -1;
	struct dir *d, *next;
	HASH_ITER (hh, t->dirs, d, next)
		if (d->slot == slot)
			d->slot = NO_SLOT;
}

static void drop(struct tree *t, struct dir *d)
{
	HASH_DEL(t->dirs, d);
	t->n_dirs--;
	int slot = d->slot;
	d->slot = NO_SLOT;
	if (d->is_owner)
		free_slot(t, slot);
	free(d);
}

static void leave(struct tree *t, struct dir *d, enum hierarchy h)
{
	d->inodes[h] = 0;
	t->stale = true;
	for (int i = 0; i < HIERARCHY_COUNT; i++)
		if (d->inodes[i])
			return;
	drop(t, d);
}

static struct dir *new_dir(struct tree *t, const char *path, size_t len)
{
	if (t->n_dirs == t->max_dirs)
		return NULL;
	struct dir *d = calloc(1, sizeof(*d) + len + 1);
	if (!d)
		return NULL;
	memcpy(d->path, path, len + 1);
	struct attribution a;
	attribution_parse(path, &a);
	d->is_owner = a.owned && a.owner_len == len;
	if (d->is_owner)
		d->slot = take_slot(t, d, &a);
	else
		d->slot = a.owned ? slot_of(t, path, a.owner_len) : NO_SLOT;
	HASH_ADD(hh, t->dirs, path[0], len, d);
	t->n_dirs++;
	return d;
}

// Hierarchies whose inodes the probe names; the others have the same paths and are only read.
static bool matters(const struct tree *t, enum hierarchy h)
{
	return h < HIERARCHY_COUNT && t->layout->roots[h] >= 0 && t->layout->same[h] == h &&
	       h != HIERARCHY_CPUACCT && h != HIERARCHY_CPUSET;
}

static int look_up_inode(const struct tree *t, enum hierarchy h, const char *path, uint64_t *ret)
{
	struct stat st;
	if (fstatat(t->layout->roots[h], path[1] ? path + 1 : ".", &st, AT_SYMLINK_NOFOLLOW) < 0)
		return -errno;
	*ret = st.st_ino;
	return 0;
}

int tree_add(struct tree *t, enum hierarchy h, const char *path, uint64_t inode)
{
	size_t len = strlen(path);
	if (!matters(t, h) || path[0] != '/' || len >= TREE_MAX_PATH)
		return -EINVAL;
	int r = inode ? 0 : look_up_inode(t, h, path, &inode);
	if (r < 0)
		return r;
	struct dir *d = find(t, path, len);
	if (d && d->inodes[h] && d->inodes[h] != inode) {
		leave(t, d, h); // removed and made again behind our back
		d = find(t, path, len);
	}
	if (!d)
		d = new_dir(t, path, len);
	if (!d)
		return -ENOSPC;
	t->stale |= d->inodes[h] != inode;
	d->inodes[h] = inode;
	d->seen |= (uint8_t)(1u << h);
	return 0;
}

void tree_remove(struct tree *t, enum hierarchy h, const char *path)
{
	struct dir *d = h < HIERARCHY_COUNT ? find(t, path, strlen(path)) : NULL;
	if (d && d->inodes[h])
		leave(t, d, h);
}

struct walker {
	struct tree *tree;
	enum hierarchy hierarchy;
	char path[TREE_MAX_PATH];
	size_t len;
	int depth;
};

static void walk(struct walker *w, int dir);

static void walk_entry(struct walker *w, int parent, const struct dirent *e)
{
	size_t n = strlen(e->d_name), len = w->len;
	bool is_dir = e->d_type == DT_DIR || e->d_type == DT_UNKNOWN;
	if (!is_dir || strcmp(e->d_name, ".") == 0 || strcmp(e->d_name, "..") == 0 ||
		len + 1 + n >= TREE_MAX_PATH)
		return;
	int fd = openat(parent, e->d_name, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
	if (fd < 0)
		return;
	w->path[len] = '/';
	memcpy(w->path + len + 1, e->d_name, n + 1);
	w->len = len + 1 + n;
	w->depth++;
	walk(w, fd);
	w->depth--;
	w->len = len;
	w->path[len] = '\0';
}

// Takes the descriptor.
static void walk(struct walker *w, int dir)
{
	struct stat st;
	DIR *stream = fdopendir(dir);
	if (!stream) {
		close(dir);
		return;
	}
	if (fstat(dir, &st) == 0)
		tree_add(w->tree, w->hierarchy, w->len ? w->path : "/", st.st_ino);
	const struct dirent *e;
	while (w->depth < TREE_MAX_DEPTH && (e = readdir(stream)))
		walk_entry(w, dir, e);
	closedir(stream);
}

static void sweep(struct tree *t)
{
	struct dir *d, *next;
	HASH_ITER (hh, t->dirs, d, next) {
		uint8_t gone = 0;
		for (int h = 0; h < HIERARCHY_COUNT; h++)
			if (d->inodes[h] && !(d->seen >> h & 1))
				gone |= (uint8_t)(1u << h);
		for (int h = 0; h < HIERARCHY_COUNT && gone; h++) {
			if (!(gone >> h & 1))
				continue;
			gone &= (uint8_t) ~(1u << h);
			leave(t, d, (enum hierarchy)h); // frees d only with its last inode
		}
	}
}

// Owners that found all slots taken try again.
static void promote(struct tree *t)
{
	struct dir *d, *next;
	HASH_ITER (hh, t->dirs, d, next) {
		if (!d->is_owner || d->slot != LEFT_OUT || t->used == t->max_slots)
			continue;
		struct attribution a;
		attribution_parse(d->path, &a);
		t->left_out--;
		d->slot = take_slot(t, d, &a);
		t->stale = true;
	}
}

void tree_walk(struct tree *t)
{
	struct walker w = {.tree = t};
	struct dir *d, *next;
	HASH_ITER (hh, t->dirs, d, next)
		d->seen = 0;
	for (int h = 0; h < HIERARCHY_COUNT; h++) {
		if (!matters(t, (enum hierarchy)h))
			continue;
		int fd = openat(t->layout->roots[h], ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		w.hierarchy = (enum hierarchy)h;
		if (fd >= 0)
			walk(&w, fd);
	}
	sweep(t);
	promote(t);
}

size_t tree_slots(const struct tree *t)
{
	return t->high;
}

const struct tree_slot *tree_slot(const struct tree *t, size_t index)
{
	return &t->slots[index];
}

size_t tree_count(const struct tree *t)
{
	return t->used;
}

size_t tree_left_out(const struct tree *t)
{
	return t->left_out;
}

static int compare(const void *a, const void *b)
{
	const struct inode_key *x = a, *y = b;
	if (x->hierarchy != y->hierarchy)
		return x->hierarchy < y->hierarchy ? -1 : 1;
	return x->inode < y->inode ? -1 : x->inode > y->inode;
}

static void sort_keys(struct tree *t)
{
	t->n_keys = 0;
	struct dir *d, *next;
	HASH_ITER (hh, t->dirs, d, next)
		for (uint32_t h = 0; h < HIERARCHY_COUNT; h++)
			if (d->inodes[h] && d->slot >= 0)
				t->keys[t->n_keys++] = (struct inode_key){d->inodes[h], h, d->slot};
	qsort(t->keys, t->n_keys, sizeof(*t->keys), compare);
	t->stale = false;
}

int tree_owner(struct tree *t, enum hierarchy h, uint64_t inode)
{
	if (t->stale)
		sort_keys(t);
	struct inode_key want = {.inode = inode, .hierarchy = h};
	const struct inode_key *found =
		bsearch(&want, t->keys, t->n_keys, sizeof(*t->keys), compare);
	return found ? found->slot : -1;
}
