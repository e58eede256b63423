// SPDX-License-Identifier: Apache-2.0
// Reads the XML that AWS's query and ec2 protocols answer with: a bounded pull reader.
//
// Why own: nothing else here reads XML, and this needs a small part of it. Elements and text only:
// attributes, comments and processing instructions are skipped, a DOCTYPE is refused, entities are
// the five and character references, so nothing can expand. Limits: depth XML_MAX_DEPTH, an
// element's text XML_MAX_TEXT_BYTES. The document is borrowed while it is read. Pure.
//
//     for (e = xml_next(&x); e > XML_END; e = xml_next(&x))
//             if (e == XML_CLOSE && xml_at(&x, "member/LoadBalancerName"))
//                     use(xml_text(&x));
#pragma once

#include <stdint.h>

#include "proto/base/buf.h"

enum { XML_MAX_DEPTH = 24, XML_MAX_TEXT_BYTES = 256 << 10 };
enum xml_event { XML_END, XML_OPEN, XML_CLOSE };

struct xml {
	const char *p, *end;
	struct {
		const char *name;
		size_t len;
	} stack[XML_MAX_DEPTH];
	size_t depth;
	struct buf text;
	bool closing;      // the innermost element leaves the stack with the next event
	bool self_closing; // <a/> has been opened; its close comes next
	bool started;      // a root element has been seen
	int failed;        // what xml_next() said, and says from then on
};

void xml_init(struct xml *x, const char *data, size_t len);
void xml_done(struct xml *x);
// XML_OPEN: the innermost element has just begun. XML_CLOSE: it ends here, and xml_text() is what
// stood in it since its last tag. XML_END: the document was whole. -EBADMSG: it is not XML, or cut;
// -E2BIG: over the limits. A failure stays.
int xml_next(struct xml *x);
// The innermost elements have these names, "outer/inner", without name-space prefixes.
bool xml_at(const struct xml *x, const char *path);
const char *xml_text(const struct xml *x); // never NULL
