// SPDX-License-Identifier: Apache-2.0
// Written by build.mjs: A(number, path, content type, etag, bytes of gzip, immutable)
#define WEB_ASSETS(A) \
	A(0, "/", "text/html; charset=utf-8", "\"504f43e0e4f7de8f6177d58d2abb93f6\"", 467, false) \
	A(1, "/assets/app-ca86c4120e.css", "text/css; charset=utf-8", "\"5f98215ec4f7fed798066fba4757c2ac\"", 4660, true) \
	A(2, "/assets/app-cfff825639.js", "text/javascript; charset=utf-8", "\"62d481b761a47cbb5f9d13291959e5b5\"", 54044, true) \
	A(3, "/assets/icon-843c802bf9.svg", "image/svg+xml", "\"5f0be52f55b61f30ec24d7ecdd575842\"", 235, true) \
	A(4, "/assets/licenses-4c5aa31b62.txt", "text/plain; charset=utf-8", "\"e8634043debc7fa1611f79892c7a1a22\"", 796, true) \
	A(5, "/assets/theme-ff14caab82.js", "text/javascript; charset=utf-8", "\"3258bd2fa70bc3c051af28c0ea6bb1b9\"", 128, true)
