// Holds the precompiled GoogleTest header; see CMakeLists.txt.
