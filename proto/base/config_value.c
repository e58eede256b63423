// SPDX-License-Identifier: Apache-2.0
#include "proto/base/config_impl.h"
#include "proto/base/text.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

// Units, largest first: that is also the order in which values are printed.
struct unit {
	const char *name;
	uint64_t factor;
};
static const struct unit duration_units[] = {
	{"d", 86400000}, {"h", 3600000}, {"m", 60000}, {"s", 1000}, {"ms", 1}, {NULL, 0}};
static const struct unit byte_units[] = {{"GiB", 1ull << 30}, {"MiB", 1ull << 20}, {"KiB", 1024},
	{"Gi", 1ull << 30}, {"Mi", 1ull << 20}, {"Ki", 1024}, {"GB", 1000000000}, {"MB", 1000000},
	{"kB", 1000}, {"B", 1}, {NULL, 0}};

static int refuse(char detail[128], const char *text, const char *what)
{
	char shown[48];
	snprintf(detail, 128, "\"%s\" is not %s", config_shown(text, shown), what);
	return -EINVAL;
}

// One "number unit" at *text; moves *text behind it.
static int parse_part(const char **text, const struct unit *units, bool bare, uint64_t *ret)
{
	char digits[24], name[8];
	size_t n = strspn(*text, "0123456789"), m = strcspn(*text + n, "0123456789");
	if (n == 0 || n >= sizeof(digits) || m >= sizeof(name))
		return -EINVAL;
	memcpy(digits, *text, n);
	digits[n] = '\0';
	memcpy(name, *text + n, m);
	name[m] = '\0';
	*text += n + m;
	uint64_t number, factor = m == 0 && (bare || strcmp(digits, "0") == 0) ? 1 : 0;
	for (; units->name && factor == 0; units++)
		if (strcmp(units->name, name) == 0)
			factor = units->factor;
	if (factor == 0 || text_to_u64(digits, &number) < 0 ||
		__builtin_mul_overflow(number, factor, ret))
		return -EINVAL;
	return 0;
}

// "1h30m": a sum of parts. Byte counts have one part and may go without a unit.
static int parse_quantity(const char *text, const struct unit *units, bool one_part, uint64_t *ret)
{
	uint64_t sum = 0, part;
	do {
		if (parse_part(&text, units, one_part, &part) < 0 ||
			__builtin_add_overflow(sum, part, &sum))
			return -EINVAL;
	} while (*text && !one_part);
	if (*text)
		return -EINVAL;
	*ret = sum;
	return 0;
}

static void print_quantity(uint64_t value, const struct unit *units, struct buf *out)
{
	for (; units->name; units++) {
		if (value >= units->factor && value % units->factor == 0) {
			buf_printf(out, "%llu%s", (unsigned long long)(value / units->factor),
				units->name);
			return;
		}
	}
	buf_text(out, "0");
}

static int parse_number(
	const struct config_key *k, const char *text, char detail[128], uint64_t *ret)
{
	if (k->type == CONFIG_U64 && text_to_u64(text, ret) < 0)
		return refuse(detail, text, "a whole number");
	if (k->type == CONFIG_DURATION && parse_quantity(text, duration_units, false, ret) < 0)
		return refuse(detail, text, "a duration like 500ms, 10s, 2m, 1h30m");
	if (k->type == CONFIG_BYTES && parse_quantity(text, byte_units, true, ret) < 0)
		return refuse(detail, text, "a size like 4096, 64KiB, 64MiB, 1GiB");
	if (*ret >= k->least && (k->most == 0 || *ret <= k->most))
		return 0;
	autobuf range;
	buf_init(&range, 128);
	config_value_range(k, &range);
	char shown[48];
	snprintf(detail, 128, "%s is out of range (%s)", config_shown(text, shown),
		range.data ? range.data : "");
	return -EINVAL;
}

static int parse_bool(const char *text, bool *ret)
{
	static const char *const words[][2] = {{"false", "true"}, {"no", "yes"}, {"off", "on"}};
	for (size_t i = 0; i < 3; i++) {
		for (int value = 0; value < 2; value++) {
			if (strcmp(text, words[i][value]) == 0) {
				*ret = value;
				return 0;
			}
		}
	}
	return -EINVAL;
}

const char *config_choice(const struct config_key *k, unsigned index, size_t *ret_len)
{
	const char *s = k->choices;
	for (; index > 0 && s; index--) {
		s = strchr(s, ' ');
		if (s)
			s++;
	}
	if (s)
		*ret_len = strcspn(s, " ");
	return s;
}

static int parse_choice(
	const struct config_key *k, const char *text, char detail[128], unsigned *ret)
{
	size_t len;
	const char *choice;
	for (unsigned i = 0; (choice = config_choice(k, i, &len)); i++) {
		if (strlen(text) == len && memcmp(choice, text, len) == 0) {
			*ret = i;
			return 0;
		}
	}
	char shown[48];
	snprintf(detail, 128, "\"%s\" is not one of: %s", config_shown(text, shown), k->choices);
	return -EINVAL;
}

static int copy_text(const struct config_key *k, const char *text, char detail[128], char **ret)
{
	size_t len = strlen(text), most = k->most ? k->most : CONFIG_MAX_TEXT;
	if (k->type == CONFIG_LIST)
		most = CONFIG_MAX_TEXT; // its own limits count items
	else if (len < k->least) {
		snprintf(detail, 128, len ? "too short" : "must not be empty");
		return -EINVAL;
	}
	if (len > most) {
		snprintf(detail, 128, "longer than %zu bytes", most);
		return -EINVAL;
	}
	if (!text_is_utf8(text, len)) {
		snprintf(detail, 128, "not UTF-8 text");
		return -EINVAL;
	}
	char *copy = strdup(text);
	if (!copy) {
		snprintf(detail, 128, "out of memory");
		return -ENOMEM;
	}
	*ret = copy;
	return 0;
}

int config_value_append(
	void *values, const struct config_key *k, const char *text, char detail[128])
{
	struct config_list *list = (void *)((char *)values + k->offset);
	size_t most = k->most && k->most < CONFIG_MAX_ITEMS ? k->most : CONFIG_MAX_ITEMS;
	if (list->n >= most) {
		snprintf(detail, 128, "more than %zu items", most);
		return -EINVAL;
	}
	if (!list->items && !(list->items = calloc(most, sizeof(*list->items)))) {
		snprintf(detail, 128, "out of memory");
		return -ENOMEM;
	}
	int r = copy_text(k, text, detail, &list->items[list->n]);
	if (r == 0)
		list->n++;
	return r;
}

int config_value_check_items(const void *values, const struct config_key *k, char detail[128])
{
	const struct config_list *list = (const void *)((const char *)values + k->offset);
	if (list->n >= k->least)
		return 0;
	snprintf(detail, 128, "needs at least %llu items", (unsigned long long)k->least);
	return -EINVAL;
}

static int set_list(void *values, const struct config_key *k, const char *text, char detail[128])
{
	config_value_clear(values, k);
	for (const char *s = text; *s; s += *s == ',') {
		size_t len = strcspn(s, ",");
		char *item = strndup(s, len);
		if (!item) {
			snprintf(detail, 128, "out of memory");
			return -ENOMEM;
		}
		int r = config_value_append(values, k, item, detail);
		free(item);
		if (r < 0)
			return r;
		s += len;
	}
	return config_value_check_items(values, k, detail);
}

static int set_text(void *values, const struct config_key *k, const char *text, char detail[128])
{
	char **field = (void *)((char *)values + k->offset), *copy;
	int r = copy_text(k, text, detail, &copy);
	if (r < 0)
		return r;
	free(*field);
	*field = copy;
	return 0;
}

int config_value_set(void *values, const struct config_key *k, const char *text, char detail[128])
{
	void *field = (char *)values + k->offset;
	switch (k->type) {
	case CONFIG_BOOL:
		return parse_bool(text, field) < 0 ? refuse(detail, text, "true or false") : 0;
	case CONFIG_U64:
	case CONFIG_DURATION:
	case CONFIG_BYTES: {
		uint64_t number;
		int r = parse_number(k, text, detail, &number);
		if (r == 0)
			*(uint64_t *)field = number;
		return r;
	}
	case CONFIG_ENUM: return parse_choice(k, text, detail, field);
	case CONFIG_LIST: return set_list(values, k, text, detail);
	case CONFIG_TEXT:
	case CONFIG_PATH: break;
	}
	return set_text(values, k, text, detail);
}

void config_value_clear(void *values, const struct config_key *k)
{
	void *field = (char *)values + k->offset;
	if (k->type == CONFIG_TEXT || k->type == CONFIG_PATH) {
		free(*(char **)field);
		*(char **)field = NULL;
	} else if (k->type == CONFIG_LIST) {
		struct config_list *list = field;
		for (size_t i = 0; i < list->n; i++)
			free(list->items[i]);
		free(list->items);
		*list = (struct config_list){0};
	}
}

// Code point at s, which is UTF-8 (copy_text saw to that); *ret_len gets its bytes.
static uint32_t code_point(const char *s, size_t *ret_len)
{
	const unsigned char *u = (const unsigned char *)s;
	size_t n = u[0] < 0x80 ? 1 : u[0] < 0xe0 ? 2 : u[0] < 0xf0 ? 3 : 4;
	uint32_t c = n == 1 ? u[0] : u[0] & (0x7fu >> n);
	for (size_t i = 1; i < n; i++)
		c = c << 6 | (u[i] & 0x3f);
	*ret_len = n;
	return c;
}

// Double quotes are the one YAML style that can carry every text. Escaped is what YAML does not
// allow in a stream (1.2 section 5.1) or would fold as a line break.
static void print_quoted(const char *text, struct buf *out)
{
	size_t len;
	buf_text(out, "\"");
	for (; *text; text += len) {
		uint32_t c = code_point(text, &len);
		if (c == '"' || c == '\\')
			buf_printf(out, "\\%c", (char)c);
		else if (c < 0x20 || (c >= 0x7f && c < 0xa0) || c == 0x2028 || c == 0x2029 ||
			 c == 0xfeff || c == 0xfffe || c == 0xffff)
			buf_printf(out, "\\u%04x", c);
		else
			buf_append(out, text, len);
	}
	buf_text(out, "\"");
}

void config_value_print(const void *values, const struct config_key *k, struct buf *out)
{
	const void *field = (const char *)values + k->offset;
	if (k->secret) {
		buf_text(out, "\"(secret)\"");
		return;
	}
	size_t len;
	const struct config_list *list = field;
	switch (k->type) {
	case CONFIG_BOOL: buf_text(out, *(const bool *)field ? "true" : "false"); break;
	case CONFIG_U64:
		buf_printf(out, "%llu", (unsigned long long)*(const uint64_t *)field);
		break;
	case CONFIG_DURATION: print_quantity(*(const uint64_t *)field, duration_units, out); break;
	case CONFIG_BYTES: print_quantity(*(const uint64_t *)field, byte_units, out); break;
	case CONFIG_ENUM: {
		const char *choice = config_choice(k, *(const unsigned *)field, &len);
		buf_append(out, choice, len);
		break;
	}
	case CONFIG_TEXT:
	case CONFIG_PATH: print_quoted(*(char *const *)field, out); break;
	case CONFIG_LIST:
		buf_text(out, "[");
		for (size_t i = 0; i < list->n; i++) {
			buf_text(out, i ? ", " : "");
			print_quoted(list->items[i], out);
		}
		buf_text(out, "]");
		break;
	}
}

void config_value_type(const struct config_key *k, struct buf *out)
{
	static const char *const names[] = {[CONFIG_BOOL] = "bool",
		[CONFIG_U64] = "number",
		[CONFIG_DURATION] = "duration",
		[CONFIG_BYTES] = "size",
		[CONFIG_TEXT] = "text",
		[CONFIG_PATH] = "path",
		[CONFIG_LIST] = "list of text"};
	if (k->type != CONFIG_ENUM) {
		buf_text(out, names[k->type]);
		return;
	}
	size_t len;
	const char *choice;
	for (unsigned i = 0; (choice = config_choice(k, i, &len)); i++) {
		buf_text(out, i ? "|" : "");
		buf_append(out, choice, len);
	}
}

void config_value_range(const struct config_key *k, struct buf *out)
{
	if (k->type != CONFIG_U64 && k->type != CONFIG_DURATION && k->type != CONFIG_BYTES)
		return;
	if (k->least == 0 && k->most == 0)
		return;
	static const struct unit plain[] = {{"", 1}, {NULL, 0}};
	const struct unit *units = k->type == CONFIG_DURATION ? duration_units
				   : k->type == CONFIG_BYTES  ? byte_units
							      : plain;
	print_quantity(k->least, units, out);
	if (k->most == 0) {
		buf_text(out, " or more");
		return;
	}
	buf_text(out, " to ");
	print_quantity(k->most, units, out);
}
