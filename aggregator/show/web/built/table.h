// SPDX-License-Identifier: Apache-2.0
// Written by build.mjs: A(number, path, content type, etag, bytes of gzip, immutable)
#define WEB_ASSETS(A) \
	A(0, "/", "text/html; charset=utf-8", "\"7abf0c87b3c97b3db4260e077b72ee69\"", 472, false) \
	A(1, "/assets/app-22a80f754e.css", "text/css; charset=utf-8", "\"d2775596dbf2b1a171257842a493f740\"", 4681, true) \
	A(2, "/assets/app-63e9b1553f.js", "text/javascript; charset=utf-8", "\"bf8398f00877fa08dbb1f8fd305fd98b\"", 55058, true) \
	A(3, "/assets/icon-843c802bf9.svg", "image/svg+xml", "\"5f0be52f55b61f30ec24d7ecdd575842\"", 235, true) \
	A(4, "/assets/licenses-4c5aa31b62.txt", "text/plain; charset=utf-8", "\"e8634043debc7fa1611f79892c7a1a22\"", 796, true) \
	A(5, "/assets/theme-ff14caab82.js", "text/javascript; charset=utf-8", "\"3258bd2fa70bc3c051af28c0ea6bb1b9\"", 128, true)
