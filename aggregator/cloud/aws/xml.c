// SPDX-License-Identifier: Apache-2.0
#include "aggregator/cloud/aws/xml.h"

#include <errno.h>
#include <string.h>

void xml_init(struct xml *x, const char *data, size_t len)
{
	*x = (struct xml){.p = data, .end = data + len};
	buf_init(&x->text, XML_MAX_TEXT_BYTES);
}

void xml_done(struct xml *x)
{
	buf_done(&x->text);
}

static bool starts(const struct xml *x, const char *with)
{
	size_t n = strlen(with);
	return (size_t)(x->end - x->p) >= n && memcmp(x->p, with, n) == 0;
}

static bool is_blank(char c)
{
	return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

static bool is_name(char c)
{
	return c != '/' && c != '>' && c != '<' && c != '=' && c != '"' && c != '\'' && c != '&' &&
	       !is_blank(c) && c != '\0';
}

// Leaves p after the text; false if it does not come.
static bool skip_past(struct xml *x, const char *text)
{
	size_t n = strlen(text);
	for (; (size_t)(x->end - x->p) >= n; x->p++) {
		if (memcmp(x->p, text, n) == 0) {
			x->p += n;
			return true;
		}
	}
	return false;
}

static int put_utf8(struct buf *out, uint32_t c)
{
	char t[4];
	size_t n = 0;
	if (c == 0 || c > 0x10ffff || (c >= 0xd800 && c <= 0xdfff))
		return -EBADMSG;
	if (c < 0x80) {
		t[n++] = (char)c;
	} else if (c < 0x800) {
		t[n++] = (char)(0xc0 | c >> 6);
	} else if (c < 0x10000) {
		t[n++] = (char)(0xe0 | c >> 12);
		t[n++] = (char)(0x80 | (c >> 6 & 0x3f));
	} else {
		t[n++] = (char)(0xf0 | c >> 18);
		t[n++] = (char)(0x80 | (c >> 12 & 0x3f));
		t[n++] = (char)(0x80 | (c >> 6 & 0x3f));
	}
	if (c >= 0x80)
		t[n++] = (char)(0x80 | (c & 0x3f));
	return buf_append(out, t, n) < 0 ? -E2BIG : 0;
}

static int digit_of(char c, unsigned base)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	c |= 0x20;
	return base == 16 && c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

static int character_reference(struct xml *x, const char *p, const char *semicolon)
{
	unsigned base = *p == 'x' ? 16 : 10;
	p += base == 16;
	if (p == semicolon || semicolon - p > 8)
		return -EBADMSG;
	uint32_t c = 0;
	for (; p < semicolon; p++) {
		int d = digit_of(*p, base);
		if (d < 0)
			return -EBADMSG;
		c = c * base + (uint32_t)d;
	}
	return put_utf8(&x->text, c);
}

static int read_entity(struct xml *x)
{
	static const struct {
		const char *name;
		char c;
	} known[] = {{"amp", '&'}, {"lt", '<'}, {"gt", '>'}, {"quot", '"'}, {"apos", '\''}};
	const char *p = x->p + 1;
	size_t left = (size_t)(x->end - p);
	const char *semicolon = memchr(p, ';', left < 12 ? left : 12);
	if (!semicolon || semicolon == p)
		return -EBADMSG;
	x->p = semicolon + 1;
	if (*p == '#')
		return character_reference(x, p + 1, semicolon);
	for (size_t i = 0; i < sizeof(known) / sizeof(*known); i++) {
		size_t n = strlen(known[i].name);
		if (n == (size_t)(semicolon - p) && memcmp(known[i].name, p, n) == 0)
			return put_utf8(&x->text, (uint32_t)known[i].c);
	}
	return -EBADMSG;
}

// Text up to the next tag.
static int read_text(struct xml *x)
{
	while (x->p < x->end && *x->p != '<') {
		if (*x->p == '&') {
			int r = read_entity(x);
			if (r < 0)
				return r;
			continue;
		}
		const char *from = x->p;
		while (x->p < x->end && *x->p != '<' && *x->p != '&' && *x->p != '\0')
			x->p++;
		if (x->p == from)
			return -EBADMSG; // a NUL
		if (x->depth == 0)
			for (const char *c = from; c < x->p; c++)
				if (!is_blank(*c))
					return -EBADMSG;
		if (buf_append(&x->text, from, (size_t)(x->p - from)) < 0)
			return -E2BIG;
	}
	return 0;
}

static int read_cdata(struct xml *x)
{
	const char *from = x->p + strlen("<![CDATA[");
	if (x->depth == 0 || !skip_past(x, "]]>"))
		return -EBADMSG;
	size_t n = (size_t)(x->p - 3 - from);
	if (memchr(from, '\0', n))
		return -EBADMSG;
	return buf_append(&x->text, from, n) < 0 ? -E2BIG : 0;
}

static int skip_attributes(struct xml *x)
{
	while (x->p < x->end && *x->p != '>' && *x->p != '/') {
		char c = *x->p++;
		if (c == '<')
			return -EBADMSG;
		if (c != '"' && c != '\'')
			continue;
		x->p = memchr(x->p, c, (size_t)(x->end - x->p));
		if (!x->p) {
			x->p = x->end;
			return -EBADMSG;
		}
		x->p++;
	}
	return x->p < x->end ? 0 : -EBADMSG;
}

static void read_name(struct xml *x, const char **ret_name, size_t *ret_len)
{
	const char *from = x->p;
	while (x->p < x->end && is_name(*x->p))
		x->p++;
	*ret_name = from;
	*ret_len = (size_t)(x->p - from);
}

static int open_tag(struct xml *x)
{
	const char *name;
	size_t len;
	x->p++;
	read_name(x, &name, &len);
	if (len == 0 || (x->depth == 0 && x->started))
		return -EBADMSG;
	if (x->depth == XML_MAX_DEPTH)
		return -E2BIG;
	int r = skip_attributes(x);
	if (r < 0)
		return r;
	x->self_closing = *x->p == '/';
	x->p += x->self_closing;
	if (x->p == x->end || *x->p++ != '>')
		return -EBADMSG;
	x->stack[x->depth].name = name;
	x->stack[x->depth++].len = len;
	x->started = true;
	buf_reset(&x->text);
	return XML_OPEN;
}

static int close_tag(struct xml *x)
{
	const char *name;
	size_t len;
	x->p += 2;
	read_name(x, &name, &len);
	while (x->p < x->end && is_blank(*x->p))
		x->p++;
	if (x->p == x->end || *x->p++ != '>' || x->depth == 0 ||
		len != x->stack[x->depth - 1].len ||
		memcmp(name, x->stack[x->depth - 1].name, len) != 0)
		return -EBADMSG;
	x->closing = true;
	return XML_CLOSE;
}

static int read_markup(struct xml *x)
{
	if (starts(x, "</"))
		return close_tag(x);
	if (starts(x, "<?"))
		return skip_past(x, "?>") ? XML_END : -EBADMSG;
	if (starts(x, "<!--"))
		return skip_past(x, "-->") ? XML_END : -EBADMSG;
	if (starts(x, "<![CDATA["))
		return read_cdata(x);
	if (starts(x, "<!"))
		return -EBADMSG; // DOCTYPE and what else could declare entities
	return open_tag(x);
}

static int next(struct xml *x)
{
	for (;;) {
		int r = read_text(x);
		if (r < 0)
			return r;
		if (x->p == x->end)
			return x->depth == 0 && x->started ? XML_END : -EBADMSG;
		r = read_markup(x);
		if (r != XML_END)
			return r;
	}
}

int xml_next(struct xml *x)
{
	if (x->failed < 0)
		return x->failed;
	if (x->closing) {
		x->depth--;
		x->closing = false;
		buf_reset(&x->text);
	}
	if (x->self_closing) {
		x->self_closing = false;
		x->closing = true;
		return XML_CLOSE;
	}
	int r = next(x);
	if (r < 0)
		x->failed = r;
	return r;
}

bool xml_at(const struct xml *x, const char *path)
{
	size_t depth = x->depth;
	for (const char *end = path + strlen(path); end > path && depth > 0; depth--) {
		const char *from = end;
		while (from > path && from[-1] != '/')
			from--;
		const char *name = x->stack[depth - 1].name;
		size_t len = x->stack[depth - 1].len;
		const char *colon = memchr(name, ':', len);
		if (colon) {
			len -= (size_t)(colon + 1 - name);
			name = colon + 1;
		}
		if (len != (size_t)(end - from) || memcmp(name, from, len) != 0)
			return false;
		if (from == path)
			return true;
		end = from - 1;
	}
	return false;
}

const char *xml_text(const struct xml *x)
{
	return x->text.data ? x->text.data : "";
}
