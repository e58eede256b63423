// SPDX-License-Identifier: Apache-2.0
// Written by build.mjs: A(number, path, content type, etag, bytes of gzip, immutable)
#define WEB_ASSETS(A) \
	A(0, "/", "text/html; charset=utf-8", "\"aeb4f8aa58a6b0fd1d638c28e862235f\"", 469, false) \
	A(1, "/assets/app-34ab5d300c.css", "text/css; charset=utf-8", "\"14bdc2b5c5ba3d4fc620284de51ffd7f\"", 4662, true) \
	A(2, "/assets/app-70133ad804.js", "text/javascript; charset=utf-8", "\"1b230e321668001205efbd2b326805aa\"", 53905, true) \
	A(3, "/assets/icon-843c802bf9.svg", "image/svg+xml", "\"5f0be52f55b61f30ec24d7ecdd575842\"", 235, true) \
	A(4, "/assets/licenses-4c5aa31b62.txt", "text/plain; charset=utf-8", "\"e8634043debc7fa1611f79892c7a1a22\"", 796, true) \
	A(5, "/assets/theme-ff14caab82.js", "text/javascript; charset=utf-8", "\"3258bd2fa70bc3c051af28c0ea6bb1b9\"", 128, true)
