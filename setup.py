"""ament_python package: `colcon build` on a ROS 2 machine, `pip install -e .[...]` (what make does) elsewhere."""

from glob import glob

from setuptools import find_packages, setup

PACKAGE = "ffstereo_ros"

# Real rclpy, Fast DDS and messages as wheels, for machines without ROS 2 from apt (Linux, Python 3.11 and 3.12).
ROS_WHEELS = [
    "ros-jazzy-rclpy",
    "ros-jazzy-rmw-fastrtps-cpp",
    "ros-jazzy-sensor-msgs",
    "ros-jazzy-stereo-msgs",
    "ros-jazzy-diagnostic-msgs",
    "ros-jazzy-std-srvs",
]

setup(
    name=PACKAGE,
    version="0.1.0",
    description="Metric depth from rectified stereo pairs with Fast-FoundationStereo, for ROS 2",
    author="ffstereo_ros maintainers",
    maintainer="ffstereo_ros maintainers",
    maintainer_email="maintainers@ffstereo.example",
    license="Apache-2.0",
    python_requires=">=3.10",
    packages=find_packages(include=[PACKAGE, f"{PACKAGE}.*"]),
    package_data={
        PACKAGE: [
            "py.typed",
            "weights/*.safetensors",
            "weights/*.md",
            "evaluation/*.j2",
            "kernels/*.cuh",
            "kernels/*/*.cu*",
            "training/*/*.cu",
        ]
    },
    data_files=[
        ("share/ament_index/resource_index/packages", [f"resource/{PACKAGE}"]),
        (f"share/{PACKAGE}", ["package.xml"]),
        (f"share/{PACKAGE}/launch", glob("launch/*.launch.py")),
        (f"share/{PACKAGE}/config", glob("config/*.yaml") + glob("config/*.xml")),
        (f"share/{PACKAGE}/config/rviz", glob("config/rviz/*.rviz")),
        (f"share/{PACKAGE}/config/cameras", glob("config/cameras/*.yaml")),
        (f"share/{PACKAGE}/config/cameras/drivers", glob("config/cameras/drivers/*.yaml")),
    ],
    zip_safe=False,
    # The lower ends are Ubuntu 22.04's, whose ROS 2 Humble keeps its own NumPy and OpenCV, or what was seen to work.
    install_requires=["setuptools", "numpy>=1.21", "pyyaml>=5.4"],
    extras_require={
        "opencv": ["opencv-python-headless>=4.5.4"],
        "ros": ROS_WHEELS,
        "torch": ["torch>=2.2", "safetensors>=0.4"],
        "export": ["torch>=2.8", "safetensors>=0.4", "onnx>=1.16", "onnxscript>=0.3"],
        "tensorrt": ["tensorrt>=10.3", "cuda-bindings>=12.8"],
        "tensorrt-rtx": ["tensorrt-rtx-cu13>=1.2", "cuda-bindings>=13.0"],
        "weights": ["huggingface-hub>=0.25"],
        "evaluation": ["jinja2>=3.0", "matplotlib>=3.7", "rosbags>=0.11"],
        "training": ["tqdm>=4.60", "matplotlib>=3.7"],
        "demo": ["scikit-image>=0.19", "matplotlib>=3.7", "rosbags>=0.11"],
        # For Python 3.10 with Humble's NumPy there is no such onnxruntime: what needs it is skipped.
        "test": ["pytest>=7.4", "hypothesis>=6.80", "onnxruntime>=1.17; python_version >= '3.11'"],
        "check": ["ruff", "mypy"],
    },
    entry_points={
        "console_scripts": [
            "ffstereo = ffstereo_ros.cli.main:main",
            "stereo_node = ffstereo_ros.ros.main:main",
            "stereo_player = ffstereo_ros.ros.player:main",
            "composed_player = ffstereo_ros.ros.composition:main",
            "component_container = ffstereo_ros.ros.component_container:main",
        ],
        "rclpy_components": ["ffstereo_ros::StereoNode = ffstereo_ros.ros.stereo_node:StereoNode"],
    },
)
