// SPDX-License-Identifier: Apache-2.0
// Written by build.mjs: A(number, path, content type, etag, bytes of gzip, immutable)
#define WEB_ASSETS(A) \
	A(0, "/", "text/html; charset=utf-8", "\"39b25f94045aeb2f666905bdbcd555b1\"", 472, false) \
	A(1, "/assets/app-0588cda63d.css", "text/css; charset=utf-8", "\"b84625b35e82db18450328d0313a0b18\"", 4683, true) \
	A(2, "/assets/app-77f0bdb8c6.js", "text/javascript; charset=utf-8", "\"2988a2c35a35440f21a102f28f836f24\"", 55051, true) \
	A(3, "/assets/icon-843c802bf9.svg", "image/svg+xml", "\"5f0be52f55b61f30ec24d7ecdd575842\"", 235, true) \
	A(4, "/assets/licenses-4c5aa31b62.txt", "text/plain; charset=utf-8", "\"e8634043debc7fa1611f79892c7a1a22\"", 796, true) \
	A(5, "/assets/theme-ff14caab82.js", "text/javascript; charset=utf-8", "\"3258bd2fa70bc3c051af28c0ea6bb1b9\"", 128, true)
