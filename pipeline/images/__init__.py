"""Images from files: folders, zips, arrays, CIFAR-10, MNIST. Nothing is downloaded, and no pickle is run."""
