// SPDX-License-Identifier: Apache-2.0
// Written by build.mjs: A(number, path, content type, etag, bytes of gzip, immutable)
#define WEB_ASSETS(A) \
	A(0, "/", "text/html; charset=utf-8", "\"9f73d76b8d1e6c2a30188781adbd1038\"", 469, false) \
	A(1, "/assets/app-2d81eaf848.css", "text/css; charset=utf-8", "\"cf9bac03fbe884e582370dab23abe8a3\"", 4643, true) \
	A(2, "/assets/app-1bf70bcf52.js", "text/javascript; charset=utf-8", "\"a0c50a0c9003f49a29d271d2893dfcc1\"", 53782, true) \
	A(3, "/assets/icon-843c802bf9.svg", "image/svg+xml", "\"5f0be52f55b61f30ec24d7ecdd575842\"", 235, true) \
	A(4, "/assets/licenses-4c5aa31b62.txt", "text/plain; charset=utf-8", "\"e8634043debc7fa1611f79892c7a1a22\"", 796, true) \
	A(5, "/assets/theme-ff14caab82.js", "text/javascript; charset=utf-8", "\"3258bd2fa70bc3c051af28c0ea6bb1b9\"", 128, true)
