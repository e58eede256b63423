// SPDX-License-Identifier: Apache-2.0
#include "aggregator/kube/quantity.h"

#include <ctype.h>
#include <errno.h>
#include <stdbool.h>
#include <string.h>

enum { MAX_DIGITS = 24, MAX_POWER = 30 };

struct number { // digits * 10^power * 2^shift
	unsigned __int128 digits;
	int power, shift;
};

static const struct {
	const char *text;
	int power, shift;
} suffixes[] = {
	{"", 0, 0},
	{"n", -9, 0},
	{"u", -6, 0},
	{"m", -3, 0},
	{"k", 3, 0},
	{"M", 6, 0},
	{"G", 9, 0},
	{"T", 12, 0},
	{"P", 15, 0},
	{"E", 18, 0},
	{"Ki", 0, 10},
	{"Mi", 0, 20},
	{"Gi", 0, 30},
	{"Ti", 0, 40},
	{"Pi", 0, 50},
	{"Ei", 0, 60},
};

// "e3", "E-2"; false: it is no exponent.
static bool take_exponent(const char *s, int *ret)
{
	if (*s != 'e' && *s != 'E')
		return false;
	s++;
	bool negative = *s == '-';
	if (*s == '-' || *s == '+')
		s++;
	int n = 0, digits = 0;
	for (; isdigit((unsigned char)*s) && digits < 3; s++, digits++)
		n = n * 10 + (*s - '0');
	*ret = negative ? -n : n;
	return digits > 0 && *s == '\0';
}

static int take_suffix(const char *s, struct number *n)
{
	int exponent;
	for (size_t k = 0; k < sizeof(suffixes) / sizeof(suffixes[0]); k++) {
		if (strcmp(s, suffixes[k].text) == 0) {
			n->power += suffixes[k].power;
			n->shift = suffixes[k].shift;
			return 0;
		}
	}
	if (!take_exponent(s, &exponent))
		return -EINVAL;
	n->power += exponent;
	return 0;
}

static int parse(const char *s, struct number *n)
{
	int digits = 0;
	bool any = false, point = false, negative = *s == '-';
	*n = (struct number){0};
	if (*s == '-' || *s == '+')
		s++;
	for (; isdigit((unsigned char)*s) || (*s == '.' && !point); s++) {
		if (*s == '.') {
			point = true;
			continue;
		}
		any = true;
		digits += digits > 0 || *s != '0';
		if (digits > MAX_DIGITS || n->power < -2 * MAX_DIGITS)
			return -ERANGE;
		n->digits = n->digits * 10 + (unsigned)(*s - '0');
		n->power -= point;
	}
	if (!any)
		return -EINVAL;
	int r = take_suffix(s, n);
	return r < 0 ? r : negative && n->digits > 0 ? -ERANGE : 0;
}

static int scale(struct number n, int64_t *ret)
{
	if (n.digits == 0) {
		*ret = 0;
		return 0;
	}
	if (n.power > MAX_POWER || n.power < -MAX_DIGITS - MAX_POWER)
		return -ERANGE;
	unsigned __int128 v = n.digits;
	bool rest = false;
	// 2^60 at most after 10^24: room for both, since one of them is always small
	for (; n.shift > 0; n.shift--) {
		if (v >> 126)
			return -ERANGE;
		v <<= 1;
	}
	for (; n.power > 0; n.power--) {
		if (v > (unsigned __int128)INT64_MAX)
			return -ERANGE;
		v *= 10;
	}
	for (; n.power < 0; n.power++) {
		rest |= v % 10 != 0;
		v /= 10;
	}
	v += rest;
	if (v > (unsigned __int128)INT64_MAX)
		return -ERANGE;
	*ret = (int64_t)v;
	return 0;
}

int quantity_whole(const char *text, int64_t *ret)
{
	struct number n;
	int r = parse(text, &n);
	return r < 0 ? r : scale(n, ret);
}

int quantity_millis(const char *text, int64_t *ret)
{
	struct number n;
	int r = parse(text, &n);
	n.power += 3;
	return r < 0 ? r : scale(n, ret);
}
