// Linked with everything_twice.cpp and umbrellas.cpp: that it links is the test.
int main() {}
