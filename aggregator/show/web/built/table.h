// SPDX-License-Identifier: Apache-2.0
// Written by build.mjs: A(number, path, content type, etag, bytes of gzip, immutable)
#define WEB_ASSETS(A) \
	A(0, "/", "text/html; charset=utf-8", "\"e0a9b4e3320e658e70975ea79389b3ff\"", 480, false) \
	A(1, "/assets/app-e36b851976.css", "text/css; charset=utf-8", "\"f266d9f3acb1f35516833643ef8c8d00\"", 730, true) \
	A(2, "/assets/app-4cb6faaf24.js", "text/javascript; charset=utf-8", "\"b4b3bf312d79f2467bdc28f22a4b3816\"", 8345, true) \
	A(3, "/assets/icon-843c802bf9.svg", "image/svg+xml", "\"12a103b6f792a6288ef22716aa35521a\"", 242, true) \
	A(4, "/assets/licenses-4c5aa31b62.txt", "text/plain; charset=utf-8", "\"cc8c79f9cad71af6de9a043da16689ab\"", 836, true) \
	A(5, "/assets/theme-6e1d512f62.js", "text/javascript; charset=utf-8", "\"2f844fef8e4a7320c3f12f4a2e747ff9\"", 130, true)
